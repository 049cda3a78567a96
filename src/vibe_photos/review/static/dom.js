/** Make elements from data; text is never interpreted as markup. */

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

/** Return the element with this id; throws if it is missing. */
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
