/** My photos: the library by final label, page by page, and one large photo. */

import { get } from "./api.js";
import { byId, element, releaseFocus } from "./dom.js";
import { fillLabels } from "./filter.js";
import { HELP_KEY, bindKeys } from "./keys.js";
import { retry } from "./saving.js";
import { runPage } from "./session.js";
import { PhotoDialog, describeLabels } from "./photo_dialog.js";
import { fileLine, labelLines, makeTile } from "./tiles.js";

const PAGE = 60;
const TYPING_MS = 250;

class Library {
  constructor() {
    const asked = new URLSearchParams(location.search);
    this.label = asked.get("label") ?? "";
    this.text = asked.get("text") ?? "";
    this.offset = Math.max(0, Number(asked.get("offset")) || 0);
    this.dialog = new PhotoDialog();
  }

  /** Show the photos with a label and a text, from the first. */
  search(label, text) {
    Object.assign(this, { label, text, offset: 0 });
    return this.load();
  }

  turn(pages) {
    const offset = this.offset + pages * PAGE;
    if (offset < 0 || offset >= this.total) return undefined;
    this.offset = offset;
    return this.load();
  }

  async load() {
    const asked = { label: this.label, text: this.text, offset: this.offset };
    const page = await retry(() => get("library", { ...asked, limit: PAGE }));
    if (asked.label !== this.label || asked.text !== this.text || asked.offset !== this.offset) return;
    const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value)).toString();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
    this.total = page.total;
    this.#show(page.items);
  }

  #show(items) {
    byId("photos-tiles").replaceChildren(
      ...items.map((item, at) => {
        const lines = [...labelLines(item.scene, item.attributes, item.objects), fileLine(item.rel_path)];
        if (item.is_audited) lines.push(element("span", { className: "audited", title: "a person audited it", textContent: "✓" }));
        const name = `${describeLabels(item)}${item.is_audited ? ", audited" : ""}; ${item.rel_path}`;
        return makeTile(item, lines, () => this.dialog.open(items, at), { "aria-label": name });
      }),
    );
    byId("photos-empty").hidden = items.length > 0;
    byId("photos-count").textContent = `${this.total} ${this.total === 1 ? "photo" : "photos"}`;
    byId("photos-page").textContent = this.total ? `${this.offset + 1} to ${this.offset + items.length}` : "";
    byId("photos-before").disabled = this.offset === 0;
    byId("photos-after").disabled = this.offset + PAGE >= this.total;
    byId("main").scrollTop = 0;
  }
}

function wireSearch(library) {
  const [label, text] = [byId("photos-label"), byId("photos-text")];
  label.value = library.label;
  text.value = library.text;
  const search = () => library.search(label.value, text.value.trim());
  let timer = 0;
  label.addEventListener("change", search);
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, TYPING_MS);
  });
  byId("photos-form").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
}

async function main(session) {
  const { counts } = await retry(() => get("labels"));
  fillLabels(byId("photos-label"), session, counts);
  const library = new Library();
  wireSearch(library);
  bindKeys([
    {
      title: "Browse",
      bindings: [
        { keys: ["ArrowLeft"], shown: "←", does: "previous page, or previous photo", run: () => library.turn(-1) },
        { keys: ["ArrowRight"], shown: "→", does: "next page, or next photo", run: () => library.turn(1) },
        { keys: ["/"], shown: "/", does: "search", run: () => byId("photos-text").focus() },
        HELP_KEY,
      ],
    },
  ]);
  for (const [id, pages] of [["before", -1], ["after", 1]]) {
    byId(`photos-${id}`).addEventListener("click", (event) => {
      releaseFocus(event);
      library.turn(pages);
    });
  }
  await library.load();
}

runPage(main);
