/** Short messages, for screen readers too, and problems that stay until they are solved. */

import { byId, element } from "./dom.js";

const SHOWN_MS = 2600;
let timer = 0;

/** Show a short message for a moment. */
export function announce(text) {
  const place = byId("announcement");
  place.textContent = text;
  place.classList.add("is-shown");
  clearTimeout(timer);
  timer = setTimeout(() => place.classList.remove("is-shown"), SHOWN_MS);
}

/** Send a message to screen readers only. */
export function announceToScreenReader(text) {
  byId("screen-reader").textContent = text;
}

/**
 * Show a problem that stays until `clearProblem`.
 * @param {string} title
 * @param {string} text
 * @param {{label: string, run: () => void}|null} remedy
 */
export function showProblem(title, text, remedy = null) {
  const place = byId("problem");
  const lines = element("p", {}, element("strong", { textContent: title }), ` ${text}`);
  const button = remedy && element("button", { type: "button", textContent: remedy.label, onclick: remedy.run });
  place.replaceChildren(...[lines, button].filter(Boolean));
  place.hidden = false;
}

export function clearProblem() {
  byId("problem").hidden = true;
}
