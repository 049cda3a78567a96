/** The query of a page: which photos, in which order. It is in the address, so that a view can be bookmarked. */

/** Every chip of the server's query, with what it is without one. */
export const NO_CHIPS = {
  list: "all", status: "", label: "", by: "", says: "", pair: "", about: "", apart: "", suspected: "", flagged: "", sure: "",
  folder: "", year: "", judge: "", near: "", only: "", lasso: "", text: "", sort: "",
};

/** What a page shows when its address says nothing. */
const USUAL = {
  "/mistakes": { ...NO_CHIPS, list: "train", status: "open", pair: "teacher,student", about: "scene" },
  "/photos": { ...NO_CHIPS, by: "final", pair: "teacher,student", about: "scene" },
};

/** Read chips from the address; `usual` are those that it does not name. */
export function readChips(usual) {
  const asked = new URLSearchParams(location.search);
  return Object.fromEntries(Object.entries(usual).map(([name, value]) => [name, asked.get(name) ?? value]));
}

/** Write into the address what is not as usual. */
export function writeChips(values, usual) {
  const changed = Object.entries(values).filter(([name, value]) => value !== (usual[name] ?? ""));
  const query = new URLSearchParams(changed).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

export class Query {
  /** @param {string} page @param {() => void} onChange called after each change */
  constructor(page, onChange) {
    this.usual = USUAL[page];
    this.onChange = onChange;
    this.value = readChips(this.usual);
    this.offset = Math.max(0, Number(readChips({ offset: "" }).offset) || 0);
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
    writeChips({ ...this.value, offset: this.offset || "" }, this.usual);
  }
}
