/** Mistakes and My photos: one grid of photos that chips, the matrix and the map fill; the selected ones are set together. */

import { get, getBytes, photoUrl, post, Refused, saveDecisions } from "./api.js";
import { announce, byId, clearProblem, element, releaseFocus, wireButtons } from "./dom.js";
import {
  confirmLabel,
  describeTruth,
  isSameTruth,
  labelName,
  percent,
  sayPhotos,
  setLabel,
  tagsOf,
} from "./labels.js";
import { PhotoMap } from "./map.js";
import { showMatrix } from "./matrix.js";
import { bindKeys, HELP_KEY, labelBindings, runBusily, runPage, showProgress, showQueue } from "./page.js";
import { Query, showChips, showFields } from "./query.js";
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
    this.query = new Query(page, () => this.load());
    this.map = new PhotoMap(session.scenes.map(({ key }) => key), (lasso) => this.query.set({ lasso }));
    byId("narrow").addEventListener("toggle", () => runBusily(() => this.#showCounts(this.query.value)));
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
    clearProblem();
    return runBusily(() => this.#load());
  }

  async #load() {
    const asked = { ...this.query.value };
    const page = await this.#ask(() => get("photos", { ...asked, offset: this.query.offset, limit: PAGE }));
    if (JSON.stringify(asked) !== JSON.stringify(this.query.value)) return; // the person has chosen another list meanwhile
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

  /** Save what the teacher or the student says, for all that are selected. */
  confirm() {
    const whose = byId("whose").value;
    return this.#decide(`${whose === "teacher" ? "Teacher" : "Student"}’s label confirmed for`, (item) =>
      confirmLabel(item, whose, this.query.value.about, this.session.attributes),
    );
  }

  /** Set a label for all that are selected; an attribute or object that all have is taken away. */
  set(key) {
    if (!this.selected.size) return announce("Select photos first: click them, or Ctrl A for all");
    const holds = !key.startsWith("scene.") && this.chosen.every((item) => hasLabel(item, key));
    return this.#decide(`${labelName(key)} ${holds ? "taken away from" : "set for"}`, (item) =>
      setLabel(item, key, !holds, this.session.attributes),
    );
  }

  undo() {
    return this.#dropIfBusy(async () => {
      const { versions, progress } = await post("undo", {});
      showProgress(progress);
      const count = Object.keys(versions).length;
      announce(count ? `${count} undone` : "There is nothing to undo");
      await this.load();
    });
  }

  /** Show what is most like a photo. */
  showAlike(imageId) {
    this.query.set({ near: imageId, list: "all", status: "", says: "", label: "", lasso: "", sort: "" });
  }

  /** Save a truth for all that are selected and can be decided here; `said` is what was done, before the number of photos. */
  #decide(said, truthOf) {
    return this.#dropIfBusy(async () => {
      const chosen = this.chosen;
      if (!chosen.length) return announce("Select photos first: click them, or Ctrl A for all");
      const isAlone = chosen.length === 1;
      const isConfirmed = (item) => !item.people && isSameTruth(truthOf(item), item.teacher);
      const teachable = chosen.filter((item) => isAlone || item.purpose === "teach" || isConfirmed(item));
      // Nobody has judged a photo whose picture is not there.
      const shown = await Promise.all(teachable.map((item) => this.pictures.get(item.image_id)));
      const ready = teachable.filter((item, at) => shown[at]).map((item) => ({ item, after: truthOf(item) })).filter(({ after }) => after);
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
          saved ? `${said} ${sayPhotos(saved)}` : "",
          stale ? `${stale} were decided elsewhere in the meantime` : "",
          measured ? `${sayPhotos(measured)} of the sample not changed: open each one` : "",
          left ? `${sayPhotos(left)} not saved, without a picture or such a label: open each one` : "",
        ]
          .filter(Boolean)
          .join("; "),
      );
      if (saved) this.finished = JSON.stringify(this.query.value);
      await this.load();
      byId("tiles").querySelector(".tile")?.focus({ preventScroll: true });
    });
  }

  #showTiles() {
    const tiles = this.items.map((item) => {
      const { image_id: imageId, rel_path: path } = item;
      const isSampled = item.purpose === "measure";
      const state = [item.people ? "decided" : "", isSampled ? "sample" : "", item.is_flagged ? "flagged" : ""].filter(Boolean);
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
    const isDone = this.page === "/mistakes" && this.finished === JSON.stringify(this.query.value);
    byId("empty").textContent = isDone ? "Done. Choose another number in the table." : "No photo matches all these filters. Remove one.";
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
    return runBusily(() => this.#showSide(this.query.value));
  }

  async #showSide(asked) {
    for (const side of ["matrix", "map", "none"]) byId(`show-${side}`).setAttribute("aria-pressed", String(this.side === side));
    byId("matrix-view").hidden = this.side !== "matrix";
    byId("map-view").hidden = this.side !== "map";
    document.querySelector(".browse").classList.toggle("is-alone", this.side === "none");
    if (this.side === "matrix") {
      byId("pair").value = asked.pair;
      showMatrix(await get("matrix", asked), asked.pair.split(","), this.query.says, (says, about) => {
        this.query.set({ says: says.join(","), about, near: "", sort: this.query.value.sort || "sure" });
        // On a phone the grid lies below the matrix.
        if (byId("main").scrollHeight > byId("main").clientHeight) byId("chips").scrollIntoView();
      });
    } else if (this.side === "map") {
      if (!asked.lasso) this.map.line = [];
      this.map.show(await this.#ask(() => getBytes("map", asked)));
    }
  }

  /** Count what each chip would leave, where that is seen. */
  async #showCounts(asked) {
    if (byId("narrow").open) showFields(this.query, this.session, await get("chips", asked));
  }

  /** Ask until the embeddings are read. */
  async #ask(run) {
    for (;;) {
      try {
        return await run();
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

  /** Run an action; drop it while another one runs. */
  async #dropIfBusy(run) {
    if (this.isBusy) return;
    this.isBusy = true;
    await runBusily(run).finally(() => (this.isBusy = false));
  }
}

/** Whether a person says that a photo has a label, else whether the teacher does. */
function hasLabel({ people, teacher }, key) {
  const [mine, other] = [people, teacher].map((truth) => (key.startsWith("attr.") ? truth?.attributes[key] : truth?.objects?.includes(key)));
  return Boolean(mine ?? other);
}

function bind(grid) {
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
  const keys = labelBindings(grid.session, (key) => grid.set(key), labelName);
  bindKeys({ Photos: bindings, "Set for all that are selected": keys });
  byId("keys").replaceChildren(...keys.map(labelButton));
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

/** A button that sets a label, with its key. */
function labelButton({ shown, does, run }) {
  const press = (event) => {
    releaseFocus(event);
    run();
  };
  return element("button", { type: "button", className: "quiet", onclick: press }, element("kbd", { textContent: shown, "aria-hidden": "true" }), does);
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

const SPEAKERS = [
  { who: "people", letter: "P", title: "a person" },
  { who: "teacher", letter: "T", title: "the teacher" },
  { who: "student", letter: "S", title: "the student" },
];

const DENIER = { who: "people", letter: "P no", title: "a person says no" };

/** The lines under a picture: who says which scene, and which attributes and objects; also what a person takes away. */
function voiceLines(item) {
  const scenes = new Map();
  const tags = new Map();
  for (const speaker of SPEAKERS) {
    const truth = item[speaker.who];
    if (!truth) continue;
    // A person who gives no scene has not judged it.
    if (truth.scene || speaker.who !== "people") append(scenes, truth.scene ?? "", speaker);
    for (const key of tagsOf(truth)) append(tags, key, speaker);
  }
  for (const [key, speakers] of tags) if (deniesTag(item.people, key)) tags.set(key, [DENIER, ...speakers]);
  return [
    ...[...scenes].map(([key, speakers]) =>
      element("span", { className: "says" }, ...marks(speakers, item.scores[key]), element("span", { className: "name", textContent: key ? labelName(key) : "no scene" })),
    ),
    element(
      "span",
      { className: "tags" },
      ...[...tags].map(([key, speakers]) => element("span", { className: "tag" }, labelName(key), ...marks(speakers, item.scores[key]))),
    ),
  ];
}

/** Whether a person says no to a label that somebody else gives; an object implies those above it. */
function deniesTag(people, key) {
  if (key.startsWith("attr.")) return people?.attributes[key] === false;
  return Boolean(people?.objects) && !people.objects.some((one) => `${one}.`.startsWith(`${key}.`));
}

/** The same in words, for a screen reader. */
function describeVoices(item) {
  return SPEAKERS.filter(({ who }) => item[who])
    .map(({ who, title }) => {
      const { scene } = item[who];
      const sure = who === "student" && scene in item.scores ? `, ${percent(item.scores[scene])} sure of the scene` : "";
      return `${title}: ${describeTruth(item[who])}${sure}`;
    })
    .join("; ");
}

function append(map, key, speaker) {
  map.set(key, [...(map.get(key) ?? []), speaker]);
}

function marks(speakers, score) {
  return speakers.map(({ who, letter, title }) => {
    const sure = who === "student" && score !== undefined ? ` ${percent(score)}` : "";
    return element("span", { className: `mark is-${who}`, title: `${title}${sure}`, textContent: letter + sure });
  });
}

/**
 * One tile: a button with a picture and text lines.
 * @param {{image_id: string, rel_path: string}} item
 * @param {Node[]} lines the lines under the picture
 * @param {(event: Event) => void} onPress
 * @param {object} properties of the button
 * @param {(isShown: boolean) => void} onShown called when the picture is there, or cannot be shown
 * @param {Node[]} others beside the button
 */
function makeTile(item, lines, onPress, properties, onShown, others = []) {
  const picture = element("img", { alt: "", decoding: "async", draggable: false, onload: () => onShown(true) });
  picture.addEventListener("error", () => {
    picture.replaceWith(element("span", { className: "broken", textContent: "cannot be shown" }));
    onShown(false);
  });
  picture.src = photoUrl(item.image_id, "320");
  const name = item.rel_path.slice(item.rel_path.lastIndexOf("/") + 1);
  const button = element(
    "button",
    { type: "button", className: "tile", title: item.rel_path, onclick: onPress, ...properties },
    element("span", { className: "frame" }, picture),
    element("span", { className: "words" }, ...lines, element("span", { className: "file", textContent: name })),
  );
  return element("li", {}, button, ...others);
}

/** Move the focus among tiles by arrow keys. */
function moveFocus(list, key) {
  const tiles = [...list.querySelectorAll(".tile")];
  const at = tiles.indexOf(document.activeElement);
  if (at < 0) return tiles[0]?.focus();
  const columns = tiles.filter((tile) => tile.getBoundingClientRect().top === tiles[0].getBoundingClientRect().top).length;
  return tiles[at + { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key]]?.focus();
}

runPage(async (session) => {
  const grid = new Grid(session, byId("main").dataset.page);
  showQueue("teach");
  bind(grid);
  await grid.load();
});
