/** Key bindings; the help dialog (`?`) is made from the same table. */

import { byId, element } from "./dom.js";

/**
 * @typedef {{keys: string[], shown: string, does: string, run: (event: KeyboardEvent) => void}} Binding
 */

/**
 * Listen for the keys, except while the person types, and list them in the help.
 * @param {{title: string, bindings: Binding[]}[]} groups
 */
export function bindKeys(groups) {
  const byKey = new Map();
  for (const binding of groups.flatMap((group) => group.bindings)) {
    for (const key of binding.keys) byKey.set(key, binding);
  }
  document.addEventListener("keydown", (event) => {
    const binding = byKey.get(keyName(event));
    if (binding === undefined || isTakenElsewhere(event)) return;
    event.preventDefault();
    if (!(event.repeat && event.key === "Enter")) binding.run(event);
  });
  fillHelp(groups);
}

function keyName(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.altKey) return "";
  return event.ctrlKey || event.metaKey ? `Ctrl+${key}` : event.shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
}

/** Whether the key belongs to a text field, an open dialog or a focused control, and not to the page. */
function isTakenElsewhere(event) {
  const target = event.target;
  if (document.querySelector("dialog[open]") || target.matches("input, textarea, select")) return true;
  if (event.key === " ") return target.matches("button, a, summary");
  return event.key === "Enter" && target.matches("a, summary, button:not([data-choice])");
}

function fillHelp(groups) {
  const dialog = byId("help");
  const sections = groups.map(({ title, bindings }) =>
    element(
      "section",
      {},
      element("h3", { textContent: title }),
      element("dl", {}, ...bindings.flatMap(({ shown, does }) => [keyCaps(shown), element("dd", { textContent: does })])),
    ),
  );
  byId("help-keys").replaceChildren(...sections);
  byId("help-button").addEventListener("click", () => dialog.showModal());
  byId("help-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

function keyCaps(shown) {
  return element("dt", {}, ...shown.split(" ").map((key) => element("kbd", { textContent: key })));
}

export const HELP_KEY = { keys: ["?"], shown: "?", does: "this help", run: () => byId("help").showModal() };
