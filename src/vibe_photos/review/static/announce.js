/** What just happened, for eyes and for screen readers; and what is wrong until it is put right. */

import { byId, element } from "./dom.js";

const SHOWN_MS = 2600;
let timer = 0;

/** Say something in passing. */
export function announce(text) {
  const place = byId("announcement");
  place.textContent = text;
  place.classList.add("is-shown");
  clearTimeout(timer);
  timer = setTimeout(() => place.classList.remove("is-shown"), SHOWN_MS);
}

/** Say something to screen readers only. */
export function whisper(text) {
  byId("whisper").textContent = text;
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
