/** Make elements from data (text is never interpreted as markup), and tell people what happens. */

const SHOWN_MS = 2600;
let timer = 0;

/**
 * Make an element. `on…` adds a listener; other entries are set as a property if the element has it, else as an attribute.
 * @param {string} tag
 * @param {Object<string, unknown>} properties
 * @param {...(Node|string|null)} children
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** The element with this id; throws if it is missing. */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element #${id}`);
  return found;
}

/** Listen for clicks on buttons, by their ids. */
export function wireButtons(runs) {
  for (const [id, run] of Object.entries(runs)) {
    byId(id).addEventListener("click", (event) => {
      releaseFocus(event);
      run();
    });
  }
}

/** Remove the focus from a clicked button, so that the next Enter goes to the page. */
export function releaseFocus(event) {
  if (event.detail > 0) event.currentTarget.blur();
}

/** Open a dialog; returns the value of the button that closed it, empty for Escape. */
export function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

/** Show a short message for a moment; screen readers read it. */
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

/** Show a problem that stays until `clearProblem`; `tryNow` is what its button does, if it has one. */
export function showProblem(title, text, tryNow = null) {
  const lines = element("p", {}, element("strong", { textContent: title }), ` ${text}`);
  const button = tryNow && element("button", { type: "button", textContent: "Try now", onclick: tryNow });
  byId("problem").replaceChildren(...[lines, button].filter(Boolean));
  byId("problem").hidden = false;
}

export function clearProblem() {
  byId("problem").hidden = true;
}
