/** The list of photos to review, fetched page by page, with the current position. */

import { get } from "./api.js";

const PAGE = 200;
const FETCH_WITHIN = 10;

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

  /** The next few photos after the current one. */
  ahead(count) {
    return this.items.slice(this.at + 1, this.at + 1 + count);
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
    const page = await get("photos", { ...this.filter, brief: true, offset, limit: PAGE });
    const known = new Set(this.items.map((item) => item.image_id));
    this.isWhole = page.items.length < PAGE;
    page.items.forEach((item) => this.listed.add(item.image_id));
    this.items.push(...page.items.filter((item) => !known.has(item.image_id)));
  }

  async #fetchUndecided() {
    if (this.filter.status !== "open") return;
    const page = await get("photos", { ...this.filter, brief: true, offset: 0, limit: PAGE });
    this.items.push(...page.items.filter((item) => !this.decided.has(item.image_id)));
    this.skipped.clear();
  }
}
