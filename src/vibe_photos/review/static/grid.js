/** Mistakes and My photos: one grid of photos that chips, the matrix and the map fill; all that are selected are set at once. */

import { announce } from "./announce.js";
import { get, getBytes, post, Refused } from "./api.js";
import { showChips, showFields } from "./chips.js";
import { byId, element, wireButtons } from "./dom.js";
import { HELP_KEY, bindKeys } from "./keys.js";
import { PhotoMap } from "./map.js";
import { showMatrix } from "./matrix.js";
import { labelName, sayPhotos } from "./names.js";
import { showProgress, showQueue } from "./progress.js";
import { Query } from "./query.js";
import { retry, saveDecisions, showRefusal } from "./saving.js";
import { runPage } from "./session.js";
import { describeVoices, makeTile, moveFocus, voiceLines } from "./tiles.js";
import { chooseScene, isSameTruth, withAttribute, withObject, withoutAny, withoutObject } from "./truth.js";
import { TypeAhead } from "./type_ahead.js";

const PAGE = 60;
const READING_MS = 1000;

class Grid {
  constructor(session, page) {
    this.session = session;
    this.page = page;
    this.items = [];
    this.selected = new Set();
    this.pictures = new Map();
    this.isBusy = false;
    this.runs = 0;
    this.query = new Query(page, () => this.load());
    this.map = new PhotoMap(session.scenes.map(({ key }) => key), (lasso) => this.query.set({ lasso }));
    this.side = page === "/mistakes" ? "matrix" : "none";
    if (this.query.value.lasso) this.side = "map";
    this.setField = new TypeAhead(byId("set"), byId("set-options"), {
      labels: session.labels,
      onChoose: (key) => this.set(key),
      onEnter: () => this.enter(),
      onErase: () => {},
    });
    // On a phone the photos would lie far below.
    byId("more-labels").open = !matchMedia("(max-width: 900px)").matches;
    if (session.is_blind) this.#hideStudent();
  }

  get chosen() {
    return this.items.filter(({ image_id: imageId }) => this.selected.has(imageId));
  }

  /** Show the photos of the query, and beside them the matrix or the map. */
  load() {
    return this.#busily(() => this.#load());
  }

  async #load() {
    const asked = { ...this.query.value };
    const isNew = () => JSON.stringify(asked) === JSON.stringify(this.query.value);
    const page = await this.#ask(() => get("photos", { ...asked, offset: this.query.offset, limit: PAGE }));
    if (!isNew()) return;
    if (!page.items.length && this.query.offset) return void this.query.turn(-PAGE);
    this.total = page.total;
    this.items = page.items;
    this.selected = new Set();
    this.pictures = new Map();
    this.#showTiles();
    showChips(this.query, this.total);
    await Promise.all([this.#showSide(asked), this.#showCounts(asked)]);
  }

  toggle(imageId) {
    if (this.selected.has(imageId)) this.selected.delete(imageId);
    else this.selected.add(imageId);
    this.#showSelection();
  }

  /** Select all of the page, or none. */
  toggleAll() {
    const all = this.items.map(({ image_id: imageId }) => imageId);
    this.selected = new Set(this.selected.size === all.length ? [] : all);
    this.#showSelection();
  }

  /** With a selection confirm it; else open the photo in focus. */
  enter() {
    if (this.selected.size) return this.confirm();
    const tile = document.activeElement.closest(".tile");
    if (tile) location.assign(this.query.addressOf(tile.dataset.image));
    return undefined;
  }

  /** Save the teacher's labels of all that are selected, or the student's answer with people's others, else the teacher's. */
  confirm() {
    const whose = byId("whose").value;
    return this.#decide(`the ${whose}’s label confirmed`, (item) => {
      if (whose === "teacher") return item.teacher;
      const { about } = this.query.value;
      const { student } = item;
      if (about === "scene") return student?.scene ? this.#with(base(item), student.scene, true) : null;
      const says = about.startsWith("attr.") ? student?.attributes[about] : student?.objects.includes(about);
      return says === undefined ? null : this.#with(base(item), about, says);
    });
  }

  /** Set a label for all that are selected; an attribute or object that all have is taken away. */
  set(key) {
    if (!this.selected.size) return announce("Select photos first: click them, or Ctrl A for all");
    const holds = !key.startsWith("scene.") && this.chosen.every((item) => hasLabel(base(item), key));
    const said = holds ? `not ${labelName(key)}` : labelName(key);
    return this.#decide(`set to ${said}`, (item) => {
      const truth = base(item) ?? (key.startsWith("scene.") ? withoutAny(this.session.attributes) : null);
      return truth && this.#with(truth, key, !holds);
    });
  }

  undo() {
    return this.#alone(async () => {
      const reply = await retry(() => post("undo", {}));
      showProgress(reply.progress);
      const count = reply.image_ids.length;
      announce(count ? `${count} undone` : "There is nothing to undo");
      await this.load();
    });
  }

  /** Show what is most like a photo. */
  showAlike(imageId) {
    this.query.set({ near: imageId, list: "all", status: "", says: "", label: "", lasso: "", sort: "" });
  }

  #with(truth, key, value) {
    if (!truth) return null;
    if (key.startsWith("scene.")) return chooseScene(truth, key, this.session.attributes);
    if (key.startsWith("attr.")) return withAttribute(truth, key, value);
    return value ? withObject(truth, key) : withoutObject(truth, key);
  }

  /** Save a truth for all that are selected and can be decided here. */
  #decide(said, truthOf) {
    return this.#alone(async () => {
      const chosen = this.chosen;
      if (!chosen.length) return announce("Select photos first: click them, or Ctrl A for all");
      const isAlone = chosen.length === 1;
      const isConfirmed = (item) => !item.people && isSameTruth(truthOf(item), item.teacher);
      const teachable = chosen.filter((item) => isAlone || item.purpose === "teach" || isConfirmed(item));
      // Nobody has judged a photo whose picture is not there.
      const shown = await Promise.all(teachable.map((item) => this.pictures.get(item.image_id)));
      const ready = teachable.filter((item, at) => shown[at]).map((item) => ({ item, after: truthOf(item) })).filter(({ after }) => after?.scene);
      let saved = 0;
      let stale = 0;
      if (ready.length) {
        const seen = this.session.is_blind ? ["teacher"] : ["teacher", "student"];
        const reply = await saveDecisions(
          ready.map(({ item, after }) => {
            const { image_id, version, is_flagged, note } = item;
            return { image_id, version, after, is_flagged, note, seen: item.people ? [...seen, "reviewers"] : seen };
          }),
        );
        showProgress(reply.progress);
        saved = Object.keys(reply.versions).length;
        stale = reply.stale.length;
      }
      const measured = chosen.length - teachable.length;
      const left = teachable.length - ready.length;
      announce(
        [
          `${saved} ${said}`,
          stale ? `${stale} were decided elsewhere in the meantime` : "",
          measured ? `${measured} measure: change them one at a time` : "",
          left ? `${left} cannot be judged here: open them` : "",
        ]
          .filter(Boolean)
          .join("; "),
      );
      await this.load();
      byId("tiles").querySelector(".tile")?.focus({ preventScroll: true });
    });
  }

  #showTiles() {
    const tiles = this.items.map((item) => {
      const { image_id: imageId, rel_path: path } = item;
      const measures = item.purpose === "measure";
      const state = [item.people ? "decided" : "", measures ? "measures" : "", item.is_flagged ? "flagged" : ""].filter(Boolean);
      const badges = state.map((text) => element("span", { className: `badge is-${text}`, textContent: text }));
      const properties = {
        "aria-pressed": "false",
        "aria-label": `${path}. ${describeVoices(item)}${state.length ? `. ${state.join(", ")}` : ""}`,
        "data-image": imageId,
        "data-choice": "",
        ondblclick: () => location.assign(this.query.addressOf(imageId)),
      };
      const lines = [element("span", { className: "badges" }, ...badges), ...voiceLines(item)];
      const beside = element(
        "span",
        { className: "beside" },
        element("a", { className: "button", href: this.query.addressOf(imageId), textContent: "Open", "aria-label": `Open ${path}` }),
        element("button", { type: "button", textContent: "Alike", "aria-label": `More like ${path}`, onclick: () => this.showAlike(imageId) }),
      );
      let onShown;
      this.pictures.set(imageId, new Promise((resolve) => (onShown = resolve)));
      return makeTile(item, lines, () => this.toggle(imageId), properties, onShown, [beside]);
    });
    byId("tiles").replaceChildren(...tiles);
    byId("empty").hidden = this.items.length > 0;
    byId("empty").textContent = "No photo has all these chips. Remove one.";
    byId("page-at").textContent = this.total ? `${this.query.offset + 1} to ${this.query.offset + this.items.length} of ${this.total.toLocaleString("en")}` : "";
    byId("page-before").disabled = this.query.offset === 0;
    byId("page-after").disabled = this.query.offset + PAGE >= this.total;
    document.querySelector(".pages").hidden = this.total <= PAGE;
    this.#showSelection();
  }

  #showSelection() {
    for (const tile of byId("tiles").querySelectorAll(".tile")) {
      tile.setAttribute("aria-pressed", String(this.selected.has(tile.dataset.image)));
    }
    byId("count").textContent = this.selected.size ? `${this.selected.size} selected` : sayPhotos(this.total);
    byId("confirm").disabled = !this.selected.size;
    byId("select-all").disabled = !this.items.length;
  }

  showSideOf(side) {
    this.side = side;
    return this.#showSide(this.query.value).catch(showRefusal);
  }

  async #showSide(asked) {
    for (const side of ["matrix", "map", "none"]) byId(`show-${side}`).setAttribute("aria-pressed", String(this.side === side));
    byId("matrix-view").hidden = this.side !== "matrix";
    byId("map-view").hidden = this.side !== "map";
    document.querySelector(".browse").classList.toggle("is-alone", this.side === "none");
    if (this.side === "matrix") {
      byId("pair").value = asked.pair;
      const matrix = await retry(() => get("matrix", asked));
      showMatrix(matrix, this.query.says, (says, about) => {
        this.query.set({ says: says.join(","), about, near: "", sort: this.query.value.sort || "sure" });
        // On a phone the grid lies below the matrix.
        if (byId("main").scrollHeight > byId("main").clientHeight) byId("chips").scrollIntoView();
      });
    } else if (this.side === "map") {
      if (!asked.lasso) this.map.line = [];
      this.map.show(await this.#ask(() => getBytes("map", asked)));
    }
  }

  async #showCounts(asked) {
    const { counts } = await retry(() => get("chips", asked));
    showFields(this.query, this.session, counts);
  }

  /** Ask until the embeddings are read. */
  async #ask(run) {
    for (;;) {
      try {
        return await retry(run);
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 503) throw error;
        announce(error.message);
        await new Promise((resolve) => setTimeout(resolve, READING_MS));
      }
    }
  }

  #hideStudent() {
    this.query.value.pair = "teacher,people";
    for (const option of [...byId("pair").options]) option.hidden = option.value.includes("student");
    byId("whose").value = "teacher";
    byId("whose").parentElement.hidden = true;
  }

  async #alone(run) {
    if (this.isBusy) return;
    this.isBusy = true;
    await this.#busily(run);
    this.isBusy = false;
  }

  /** Mark the page as busy meanwhile. */
  async #busily(run) {
    this.runs += 1;
    document.body.setAttribute("aria-busy", "true");
    try {
      await run();
    } catch (error) {
      showRefusal(error);
    } finally {
      this.runs -= 1;
      if (!this.runs) document.body.removeAttribute("aria-busy");
    }
  }
}

/** The labels that a change starts from. */
function base(item) {
  return item.people ?? item.teacher;
}

function hasLabel(truth, key) {
  return Boolean(truth && (key.startsWith("attr.") ? truth.attributes[key] : truth.objects.includes(key)));
}

function bind(grid) {
  const { session } = grid;
  const arrows = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];
  const focused = () => document.activeElement.closest(".tile");
  const bindings = [
    { keys: arrows, shown: "← → ↑ ↓", does: "go from photo to photo", run: (event) => moveFocus(byId("tiles"), event.key) },
    { keys: ["x"], shown: "X", does: "select the photo in focus (or Space)", run: () => focused() && grid.toggle(focused().dataset.image) },
    { keys: ["Ctrl+a"], shown: "Ctrl A", does: "select all of the page, or none", run: () => grid.toggleAll() },
    { keys: ["Enter"], shown: "Enter", does: "confirm all that are selected; with none, open the photo in focus", run: () => grid.enter() },
    { keys: ["s"], shown: "S", does: "confirm the student’s or the teacher’s label", run: () => switchWhose() },
    { keys: ["o"], shown: "O", does: "find a label to set", run: () => byId("set").focus() },
    { keys: ["l"], shown: "L", does: "more like the photo in focus", run: () => focused() && grid.showAlike(focused().dataset.image) },
    { keys: ["u", "Ctrl+z"], shown: "U", does: "undo the last action, all its photos", run: () => grid.undo() },
    { keys: ["/"], shown: "/", does: "narrow down and sort", run: () => openFields() },
    HELP_KEY,
  ];
  const sets = [...session.scenes, ...session.attributes]
    .filter(({ key }) => key in session.hotkeys)
    .map(({ key }) => ({ keys: [session.hotkeys[key]], shown: session.hotkeys[key].toUpperCase(), does: labelName(key), run: () => grid.set(key) }));
  bindKeys([
    { title: "Photos", bindings },
    { title: "Set for all that are selected", bindings: sets },
  ]);
  wireButtons({
    "select-all": () => grid.toggleAll(),
    undo: () => grid.undo(),
    confirm: () => grid.confirm(),
    "page-before": () => grid.query.turn(-PAGE),
    "page-after": () => grid.query.turn(PAGE),
    "show-matrix": () => grid.showSideOf("matrix"),
    "show-map": () => grid.showSideOf("map"),
    "show-none": () => grid.showSideOf("none"),
  });
  byId("pair").addEventListener("change", (event) => grid.query.set({ pair: event.target.value, says: "" }));
}

function switchWhose() {
  const whose = byId("whose");
  if (whose.parentElement.hidden) return;
  whose.value = whose.value === "student" ? "teacher" : "student";
  announce(`Enter confirms the ${whose.value}’s label`);
}

function openFields() {
  byId("narrow").open = true;
  byId("fields").querySelector("select, input")?.focus();
}

async function main(session) {
  const grid = new Grid(session, byId("main").dataset.page);
  showQueue("teach");
  bind(grid);
  await grid.load();
}

runPage(main);
