/** The photos to check, one after the other, and the filter that chooses them. It is in the address. */

import { get } from "./api.js";
import { byId, element } from "./dom.js";
import { labelTitle } from "./labels.js";
import { NO_CHIPS, readChips } from "./query.js";

const PAGE = 200;
const FETCH_WITHIN = 10;
const FIELDS = ["list", "status", "label", "text"];

/** The filter of an address that says nothing. */
export const USUAL = { ...NO_CHIPS, list: "measure", status: "open" };

/** Whether the filter is one of the two queues, unfiltered. */
export function isWholeQueue(filter) {
  return ["measure", "teach"].includes(filter.list) && Object.keys(USUAL).every((name) => name === "list" || filter[name] === USUAL[name]);
}

/** The filter of the address, and its dialog. */
export class Filter {
  /** @param {() => void} onChange called after each change of `value` */
  constructor(session, onChange) {
    this.value = readChips(USUAL);
    this.onChange = onChange;
    this.fields = Object.fromEntries(FIELDS.map((name) => [name, byId(`filter-${name}`)]));
    for (const [label, labels] of session.levels) {
      const options = labels.map(({ key }) => element("option", { value: key, textContent: labelTitle(key) }));
      this.fields.label.append(element("optgroup", { label }, ...options));
    }
    byId("filter-button").addEventListener("click", () => this.open());
    byId("filter-reset").addEventListener("click", () => this.reset());
    byId("filter-form").addEventListener("submit", () => {
      const chosen = Object.entries(this.fields).map(([name, field]) => [name, field.value.trim()]);
      this.#take({ ...USUAL, ...Object.fromEntries(chosen) });
    });
    this.#mark();
  }

  /** Show the dialog. */
  open() {
    for (const [name, field] of Object.entries(this.fields)) field.value = this.value[name];
    byId("filter").showModal();
    this.fields.text.focus();
  }

  /** Show the whole queue again. */
  reset() {
    byId("filter").close();
    this.#take(USUAL);
  }

  #take(value) {
    this.value = value;
    this.#mark();
    this.onChange();
  }

  #mark() {
    byId("filter-button").classList.toggle("is-on", !isWholeQueue(this.value));
    for (const [list, address] of [["measure", "./"], ["teach", "./?list=teach"]]) {
      const link = document.querySelector(`nav a[href="${address}"]`);
      if (list === this.value.list) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }
}

/** The list of a filter, fetched page by page, with the current position. */
export class PhotoList {
  /** @param {{list: string, label: string, text: string, status: string}} filter */
  constructor(filter) {
    this.filter = filter;
    this.items = [];
    this.at = 0;
    this.listed = new Set();
    this.decided = new Set();
    this.skipped = new Set();
  }

  get current() {
    return this.items[this.at] ?? null;
  }

  /** The ids of the current photo, of some after it, and of the one before. */
  around(count) {
    const before = this.at ? [this.items[this.at - 1]] : [];
    return [...this.items.slice(this.at, this.at + 1 + count), ...before].map((item) => item.image_id);
  }

  /** Start at a photo, or at the first of the list. */
  async start(imageId) {
    await this.#fetch();
    if (imageId) this.goTo(imageId);
  }

  /** Go to the next photo; after the last, to those that were left without a decision, if any. */
  async next() {
    const next = Math.min(this.at + 1, this.items.length);
    if (next === this.items.length) await this.#fetch();
    if (next === this.items.length) await this.#fetchUndecided();
    this.at = next;
    if (this.items.length - next < FETCH_WITHIN && !this.isWhole) this.#fetch().catch(() => {});
    return this.current;
  }

  previous() {
    this.at = Math.max(0, this.at - 1);
    return this.current;
  }

  /** Go to a photo; if it is not in the list, it is inserted before the current one. */
  goTo(imageId) {
    const known = this.items.findIndex((item) => item.image_id === imageId);
    if (known >= 0) this.at = known;
    else this.items.splice(this.at, 0, { image_id: imageId });
    this.decided.delete(imageId);
    this.skipped.delete(imageId);
  }

  /** Fetch the next page. On the server, decided photos leave the list of open photos, and skipped ones move to its end. */
  async #fetch() {
    const leaves = this.filter.status === "open";
    const hasLeft = (imageId) => leaves && (this.decided.has(imageId) || this.skipped.has(imageId));
    const offset = [...this.listed].filter((imageId) => !hasLeft(imageId)).length;
    const page = await this.#get(offset);
    const known = new Set(this.items.map((item) => item.image_id));
    this.isWhole = page.items.length < PAGE;
    page.items.forEach((item) => this.listed.add(item.image_id));
    this.items.push(...page.items.filter((item) => !known.has(item.image_id)));
  }

  async #fetchUndecided() {
    if (this.filter.status !== "open") return;
    const page = await this.#get(0);
    this.items.push(...page.items.filter((item) => !this.decided.has(item.image_id)));
    this.skipped.clear();
  }

  #get(offset) {
    return get("photos", { ...this.filter, brief: true, offset, limit: PAGE });
  }
}
