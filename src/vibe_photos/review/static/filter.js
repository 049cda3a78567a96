/** The filter of the photos; it is in the address, so that a reload shows the same. Chips of the grid are kept. */

import { byId, element } from "./dom.js";
import { labelTitle } from "./names.js";
import { NO_CHIPS, readChips, writeChips } from "./query.js";

const USUAL = { ...NO_CHIPS, list: "measure", status: "open" };
const FIELDS = ["list", "status", "label", "text"];

/** Read the filter from the address. */
export function readFilter() {
  return readChips(USUAL);
}

/** Write filter and photo into the address. */
export function writeAddress(filter, imageId) {
  writeChips({ ...filter, photo: imageId ?? "" }, USUAL);
}

/** Whether the filter is one of the two queues, unfiltered. */
export function isWholeQueue(filter) {
  const { list, ...others } = filter;
  return ["measure", "teach"].includes(list) && Object.entries(others).every(([name, value]) => value === USUAL[name]);
}

/** Mark the link of the current queue. */
export function markQueue(list) {
  const addresses = { measure: "./", teach: "./?list=teach" };
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === addresses[list]) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Fill a select element with all labels. */
function fillLabels(select, session) {
  for (const [title, labels] of session.levels) {
    const options = labels.map(({ key }) => element("option", { value: key, textContent: labelTitle(key) }));
    select.append(element("optgroup", { label: title }, ...options));
  }
}

/** Wire the dialog; `onChange` gets the new filter. */
export function wireFilter(session, filter, onChange) {
  const dialog = byId("filter");
  const fields = Object.fromEntries(FIELDS.map((name) => [name, byId(`filter-${name}`)]));
  fillLabels(fields.label, session);
  const fill = (values) => Object.entries(fields).forEach(([name, field]) => (field.value = values[name]));
  const open = () => {
    fill(filter.value);
    dialog.showModal();
    fields.text.focus();
  };
  const take = (values) => {
    dialog.close();
    filter.value = values;
    markButton(values);
    onChange(values);
  };
  byId("filter-button").addEventListener("click", open);
  byId("filter-close").addEventListener("click", () => dialog.close());
  byId("filter-reset").addEventListener("click", () => take(USUAL));
  byId("filter-form").addEventListener("submit", (event) => {
    event.preventDefault();
    take({ ...USUAL, ...Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value.trim()])) });
  });
  markButton(filter.value);
  return open;
}

function markButton(filter) {
  byId("filter-button").classList.toggle("is-on", !isWholeQueue(filter));
}
