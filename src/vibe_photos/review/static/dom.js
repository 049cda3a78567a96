/** Elements from data: text goes in as text, never as markup. */

/**
 * Make an element. A property that the element knows is set as one, `on…` is a listener, anything else an attribute.
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

/** The element with this id; a page without it is a mistake in the page. */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element #${id}`);
  return found;
}

/** Let go of a button that a mouse or finger pressed, so that the next Enter belongs to the page. */
export function releaseFocus(event) {
  if (event.detail > 0) event.currentTarget.blur();
}
