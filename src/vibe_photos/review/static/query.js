/** The query of a page: which photos, in which order. It is in the address, so that a view can be bookmarked. */

/** Every chip of the server's query, with what it is without one. */
const EMPTY = {
  list: "all", status: "", label: "", by: "", says: "", pair: "", about: "", apart: "", suspected: "", flagged: "", sure: "",
  folder: "", year: "", judge: "", near: "", only: "", lasso: "", text: "", sort: "",
};

/** What a page shows when its address says nothing. */
export const USUAL = {
  "/mistakes": { ...EMPTY, list: "train", status: "open", pair: "teacher,student", about: "scene" },
  "/photos": { ...EMPTY, by: "final", pair: "teacher,student", about: "scene" },
};

export class Query {
  /** @param {string} page @param {() => void} onChange called after each change */
  constructor(page, onChange) {
    const asked = new URLSearchParams(location.search);
    this.usual = USUAL[page];
    this.onChange = onChange;
    this.value = Object.fromEntries(Object.entries(this.usual).map(([name, usual]) => [name, asked.get(name) ?? usual]));
    this.offset = Math.max(0, Number(asked.get("offset")) || 0);
  }

  get says() {
    return this.value.says.split(",").filter(Boolean);
  }

  /** Change chips, and go to the first page. */
  set(change) {
    this.value = { ...this.value, ...change };
    this.offset = 0;
    this.#remember();
    this.onChange();
  }

  turn(photos) {
    this.offset = Math.max(0, this.offset + photos);
    this.#remember();
    this.onChange();
  }

  /** The address of the one-photo page for a photo of this list. */
  addressOf(imageId) {
    const changed = Object.entries(this.value).filter(([name, value]) => value || name === "status");
    return `./?${new URLSearchParams([...changed, ["photo", imageId]])}`;
  }

  #remember() {
    const changed = Object.entries({ ...this.value, offset: this.offset || "" }).filter(
      ([name, value]) => value !== (this.usual[name] ?? ""),
    );
    const query = new URLSearchParams(changed).toString();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
  }
}
