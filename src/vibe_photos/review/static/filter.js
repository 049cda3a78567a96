/** The filter of the photos; it is in the address, so that a reload shows the same. */

import { byId, element } from "./dom.js";
import { labelName, labelPath } from "./names.js";

const FIELDS = { list: "measure", status: "open", label: "", text: "" };

/** Chips that the grid sets: they are kept, so that the next photo is the next of the grid. */
const CHIPS = ["by", "says", "pair", "about", "apart", "suspected", "flagged", "sure", "folder", "year", "judge", "near", "only", "lasso", "sort"];

/** Read the filter from the address. */
export function readFilter() {
  const asked = new URLSearchParams(location.search);
  const chips = CHIPS.filter((name) => asked.get(name)).map((name) => [name, asked.get(name)]);
  return Object.fromEntries([...Object.entries(FIELDS).map(([name, usual]) => [name, asked.get(name) ?? usual]), ...chips]);
}

/** Write filter and photo into the address. */
export function writeAddress(filter, imageId) {
  const changed = Object.entries(filter).filter(([name, value]) => value !== FIELDS[name]);
  const query = new URLSearchParams([...changed, ...(imageId ? [["photo", imageId]] : [])]).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

/** Whether the filter is one of the two queues, unfiltered. */
export function isWholeQueue(filter) {
  const { list, ...others } = filter;
  return ["measure", "teach"].includes(list) && Object.entries(others).every(([name, value]) => value === (FIELDS[name] ?? ""));
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
  for (const [title, labels] of [
    ["Scenes", session.scenes],
    ["Attributes", session.attributes],
    ["Objects", session.objects],
  ]) {
    const options = labels.map(({ key }) =>
      element("option", { value: key, textContent: optionText(key) }),
    );
    select.append(element("optgroup", { label: title }, ...options));
  }
}

/** Wire the dialog; `onChange` gets the new filter. */
export function wireFilter(session, filter, onChange) {
  const dialog = byId("filter");
  const fields = Object.fromEntries(Object.keys(FIELDS).map((name) => [name, byId(`filter-${name}`)]));
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
  byId("filter-reset").addEventListener("click", () => take({ ...FIELDS }));
  byId("filter-form").addEventListener("submit", (event) => {
    event.preventDefault();
    take(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value.trim()])));
  });
  markButton(filter.value);
  return open;
}

function markButton(filter) {
  byId("filter-button").classList.toggle("is-on", !isWholeQueue(filter));
}

function optionText(key) {
  const path = labelPath(key);
  return path ? `${labelName(key)} (${path})` : labelName(key);
}
