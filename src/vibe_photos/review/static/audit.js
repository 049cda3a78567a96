/** The review page: one photo at a time; each decision is on disk before the next photo appears. */

import { edits, get, post, Refused, saveDecisions } from "./api.js";
import { announce, announceToScreenReader, ask, byId, clearProblem, element, wireButtons } from "./dom.js";
import {
  chooseScene,
  cycleAttribute,
  describeTruth,
  fillIn,
  isSameTruth,
  labelName,
  NOTHING,
  withoutAny,
} from "./labels.js";
import { bindKeys, HELP_KEY, labelBindings, runBusily, runPage, showProgress, showQueue } from "./page.js";
import { Panel } from "./panel.js";
import { Preloader, Stage } from "./photo.js";
import { writeChips } from "./query.js";
import { Filter, isWholeQueue, PhotoList, USUAL } from "./queue.js";

const AHEAD = 3;

class Audit {
  constructor(session) {
    this.session = session;
    this.preloader = new Preloader();
    this.stage = new Stage();
    this.photo = null;
    this.draft = NOTHING;
    this.student = null;
    this.running = null;
    this.panel = new Panel(session, (edit) => this.change(edit), () => this.accept());
    this.filter = new Filter(session, () => this.begin(null));
  }

  /** Start the list of the filter, at a photo or at its first. */
  async begin(imageId) {
    this.photos = new PhotoList(this.filter.value);
    showQueue(this.filter.value.list);
    await this.photos.start(imageId);
    await this.showCurrent();
  }

  /** Show the current photo, and load the ones around it. */
  async showCurrent(said = "") {
    const item = this.photos.current;
    byId("labels").inert = item === null;
    byId("done").hidden = item !== null;
    if (item === null) return this.#showDone(said);
    let loaded;
    try {
      loaded = await this.preloader.load(item.image_id);
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 403) throw error; // 403: of every photo, as the address is old
      announce(error.message);
      this.photos.decided.add(item.image_id); // so that the end of the list does not come back to it
      return this.go(1);
    }
    if (this.photos.current !== item) return;
    this.#take(loaded.photo, loaded.picture);
    announceToScreenReader(`${said}${loaded.photo.rel_path}. ${describeTruth(this.draft)}`);
    this.preloader.keep(this.photos.around(AHEAD));
  }

  /** Edit the labels. */
  change(edit) {
    if (!this.photo || this.running) return;
    this.draft = edit(this.draft);
    if (this.isEdited) edits.write(this.photo.image_id, { truth: this.draft, version: this.photo.version });
    else edits.remove(this.photo.image_id);
    this.showLabels();
  }

  /** The labels before any edit. */
  get prefilled() {
    const { people, teacher, is_unassisted: isUnassisted } = this.photo;
    return people ? fillIn(people, teacher, this.session.attributes) : teacher ?? (isUnassisted ? withoutAny(this.session.attributes) : NOTHING);
  }

  get isEdited() {
    return !isSameTruth(this.draft, this.prefilled);
  }

  showLabels() {
    this.panel.show(this.draft, this.photo.teacher, this.student?.student, this.student?.scores ?? {});
    byId("flag").setAttribute("aria-pressed", String(this.photo.is_flagged));
    byId("edited").hidden = !this.isEdited;
    byId("student").setAttribute("aria-pressed", String(this.student !== null));
  }

  async go(step) {
    if (this.running || !this.photos) return;
    if (step < 0 && this.photos.at === 0) return announce("This is the first photo of the list");
    if (step > 0) await this.photos.next();
    else this.photos.previous();
    await this.showCurrent();
  }

  /** Show or hide the student's labels of this photo. */
  async toggleStudent() {
    const { photo } = this;
    if (!photo) return undefined;
    if (this.session.is_blind) return announce("This review is blind: the student's labels are hidden");
    if (photo.is_unassisted) return announce("The student's labels of this photo are hidden, as the teacher's are");
    const found = this.student ? null : await get(`photo/${encodeURIComponent(photo.image_id)}/student`);
    if (this.photo !== photo) return;
    this.student = found;
    if (found) this.hasSeenStudent = true;
    if (found && !found.student) announce("The student has no labels for this photo yet");
    this.showLabels();
  }

  /** Save the labels as shown and go to the next photo. */
  accept() {
    if (!this.photo) return undefined;
    if (!this.isShown) return announce("This photo cannot be shown, so it cannot be judged: skip it");
    if (!this.draft.scene) return announce("Choose a scene first, or skip the photo");
    return this.#queue(async () => {
      const { photo, draft } = this;
      if (!(await this.#save(photo, draft))) return;
      edits.remove(photo.image_id);
      this.photos.decided.add(photo.image_id);
      await this.#goOn("Saved. ");
    });
  }

  /** Ask why a photo is skipped, because skipped photos are missing in the figures; then go to the next one. */
  skip() {
    if (!this.photo) return undefined;
    return this.#queue(async () => {
      const imageId = this.photo.image_id;
      const reason = await ask(byId("skip-reason"));
      if (!reason) return;
      this.#saved(this.photo, await post("skip", { image_id: imageId, reason: reason === "later" ? "" : reason }));
      this.photos.skipped.add(imageId);
      announce("Skipped: it comes back at the end");
      await this.#goOn();
    });
  }

  flag() {
    if (!this.photo) return undefined;
    const isFlagged = !this.photo.is_flagged;
    return this.#mark({ is_flagged: isFlagged }, isFlagged ? "Flagged" : "Flag removed");
  }

  note(text) {
    if (!this.photo || text === this.photo.note) return undefined;
    return this.#mark({ note: text }, "Note saved");
  }

  /** Undo the edits of this photo, or else this reviewer's last decision. */
  undo() {
    if (this.photo && this.isEdited) {
      announce("Edits of this photo undone");
      return this.change(() => this.prefilled);
    }
    return this.#queue(async () => {
      const { versions, progress } = await post("undo", {});
      const undone = Object.keys(versions);
      if (!undone.length) return announce("There is nothing to undo");
      showProgress(progress);
      this.preloader.forget(undone[0]);
      this.photos.goTo(undone[0]);
      await this.showCurrent();
      announce(undone.length > 1 ? `${undone.length} decisions undone` : "Last decision undone");
    });
  }

  /** Save a flag or note immediately, in a line without labels. */
  #mark(change, said) {
    return this.#queue(async () => {
      this.#saved(this.photo, await post("remark", { image_id: this.photo.image_id, ...change }));
      Object.assign(this.photo, change);
      this.showLabels();
      announce(said);
    });
  }

  /** @returns {Promise<boolean>} whether these labels were saved */
  async #save(photo, after) {
    const { image_id, version, is_flagged, note } = photo;
    const decision = { image_id, version, after, is_flagged, note, seen: this.#seen(photo) };
    const reply = await saveDecisions([decision]);
    if (reply.stale.length) return this.#resolveConflict(photo, decision, reply.stale[0]);
    this.#saved(photo, reply);
    return true;
  }

  /** Whose labels the person saw. */
  #seen(photo) {
    const hasSeenOthers = photo.conflicting_decisions.length > 0 || photo.people !== null;
    const teacher = photo.is_unassisted ? [] : ["teacher"];
    return [...teacher, ...(this.hasSeenStudent ? ["student"] : []), ...(hasSeenOthers ? ["reviewers"] : [])];
  }

  /** If the saved labels changed in the meantime, the person chooses; a new flag, note or skip is kept. */
  async #resolveConflict(photo, decision, saved) {
    const areLabelsUnchanged = isSameTruth(saved.people, photo.people);
    const choice = areLabelsUnchanged ? "mine" : await chooseDecision(saved, decision);
    if (!choice) return false;
    Object.assign(photo, { version: saved.version, people: saved.people, is_flagged: saved.is_flagged, note: saved.note });
    if (choice === "mine") return this.#save(photo, decision.after);
    edits.remove(photo.image_id);
    this.preloader.forget(photo.image_id);
    await this.showCurrent();
    announce("The saved decision stays");
    return false;
  }

  #saved(photo, { versions, progress }) {
    photo.version = versions[photo.image_id];
    showProgress(progress);
    this.preloader.forget(photo.image_id);
  }

  /** @param {string} said read by a screen reader before the next photo's name */
  async #goOn(said = "") {
    await this.photos.next();
    await this.showCurrent(said);
  }

  /** Run actions one at a time, in order; drop an action if its photo is no longer shown. */
  async #queue(run) {
    const { photo } = this;
    while (this.running) await this.running;
    if (!this.photos || this.photo !== photo) return;
    this.running = runBusily(run).finally(() => (this.running = null));
    await this.running;
  }

  #take(photo, picture) {
    const edit = edits.read(photo.image_id);
    this.photo = edit ? { ...photo, version: edit.version } : photo;
    this.draft = edit?.truth ?? this.prefilled;
    this.student = null;
    this.hasSeenStudent = false;
    this.#allow(picture !== null);
    clearProblem();
    byId("alike").href = `mistakes?${new URLSearchParams({ list: "all", status: "", near: photo.image_id })}`;
    byId("note").value = photo.note;
    byId("photo-effect").textContent = photo.effect;
    byId("photo-effect").dataset.purpose = photo.purpose;
    this.panel.search.leave();
    this.panel.showReviewers(photo.conflicting_decisions);
    this.stage.show(photo, picture);
    this.showLabels();
    byId("labels").scrollTop = 0;
    writeChips({ ...this.filter.value, photo: photo.image_id }, USUAL);
  }

  /** Enable the buttons; only a photo that is shown can be accepted. */
  #allow(isShown) {
    this.isShown = isShown;
    byId("accept").disabled = !isShown;
    for (const id of ["skip", "flag"]) byId(id).disabled = this.photo === null;
  }

  #showDone(said) {
    this.photo = null;
    this.#allow(false);
    this.stage.clear();
    writeChips(this.filter.value, USUAL);
    const usual = isWholeQueue(this.filter.value);
    const { list } = this.filter.value;
    const all = list === "teach" ? "No photo is left to teach" : "Every photo of the sample is checked";
    byId("done-title").textContent = usual ? all : "No photo left with this filter";
    byId("done-measure").hidden = !usual || list !== "measure";
    byId("done-teach").hidden = !usual || list !== "teach";
    byId("done-filter").hidden = usual;
    announceToScreenReader(said + byId("done-title").textContent);
  }
}

/** Show both decisions about a photo that was decided elsewhere; returns `saved`, `mine`, or nothing. */
function chooseDecision(saved, mine) {
  const by = saved.decided_by ? `${saved.decided_by} decided it, perhaps in another tab.` : "It was changed in another tab.";
  byId("conflict-by").textContent = by;
  byId("conflict-saved").replaceChildren(...describeDecision(saved.people, saved));
  byId("conflict-mine").replaceChildren(...describeDecision(mine.after, mine));
  return ask(byId("conflict"));
}

function describeDecision(truth, { is_flagged: isFlagged, note }) {
  if (!truth) return [element("p", { textContent: "not decided" })];
  const judged = Object.entries(truth.attributes).map(([key, value]) => `${labelName(key)}: ${value ? "yes" : "no"}`);
  const objects = [...(truth.objects ?? []).map(labelName), ...truth.proposed].join(", ");
  const lines = [
    ["Scene", truth.scene ? labelName(truth.scene) : "not judged"],
    ["Attributes", judged.join(", ") || "none judged"],
    ["Objects", objects || (truth.objects ? "none" : "not judged")],
    ...(isFlagged ? [["Flag", "flagged"]] : []),
    ...(note ? [["Note", note]] : []),
  ];
  return lines.flatMap(([term, text]) => [element("dt", { textContent: term }), element("dd", { textContent: text })]);
}

function bind(audit) {
  const { session, stage } = audit;
  const focus = (id) => () => byId(id).focus();
  const pans = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] };
  const isScene = (key) => key.startsWith("scene.");
  const set = (key) => audit.change((truth) => (isScene(key) ? chooseScene(truth, key, session.attributes) : cycleAttribute(truth, key, audit.prefilled)));
  bindKeys({
    "This photo": [
      ...labelBindings(session, set, (key) => (isScene(key) ? labelName(key) : `${labelName(key)}: yes or no, then not judged`)),
      { keys: ["o"], shown: "O", does: "find an object by its first letters; Enter adds it", run: focus("object-search") },
      { keys: ["n"], shown: "N", does: "write a note; Enter saves it", run: focus("note") },
      { keys: ["f"], shown: "F", does: "flag it, to find it again", run: () => audit.flag() },
      { keys: ["s"], shown: "S", does: "show the student’s labels", run: () => audit.toggleStudent() },
    ],
    "Go on": [
      { keys: ["Enter"], shown: "Enter", does: "accept the labels as shown, save, next photo", run: () => audit.accept() },
      { keys: ["u", "Ctrl+z"], shown: "U", does: "undo the edits, then the last decision, then the one before", run: () => audit.undo() },
      { keys: ["k"], shown: "K", does: "skip: it comes back at the end", run: () => audit.skip() },
      { keys: ["ArrowLeft"], shown: "←", does: "previous photo", run: () => audit.go(-1) },
      { keys: ["ArrowRight"], shown: "→", does: "the next photo, without a decision", run: () => audit.photo && audit.go(1) },
      { keys: ["l"], shown: "L", does: "more photos like this", run: () => audit.photo && byId("alike").click() },
      { keys: ["/"], shown: "/", does: "filter and search", run: () => audit.filter.open() },
      HELP_KEY,
    ],
    Zoom: [
      { keys: ["z"], shown: "Z", does: "zoom in; again: the whole photo", run: () => stage.toggle() },
      { keys: ["+", "="], shown: "+", does: "zoom in", run: () => stage.in() },
      { keys: ["-"], shown: "-", does: "zoom out", run: () => stage.out() },
      {
        keys: Object.keys(pans).map((key) => `Shift+${key}`),
        shown: "Shift ← → ↑ ↓",
        does: "move the picture (or drag it)",
        run: (event) => stage.pan(...pans[event.key]),
      },
    ],
  });
  wireButtons({
    accept: () => audit.accept(),
    undo: () => audit.undo(),
    skip: () => audit.skip(),
    "unshown-skip": () => audit.skip(),
    flag: () => audit.flag(),
    previous: () => audit.go(-1),
    student: () => audit.toggleStudent(),
    "done-undo": () => audit.undo(),
    "done-filter": () => audit.filter.reset(),
  });
  const note = byId("note");
  note.addEventListener("change", () => audit.note(note.value.trim()));
  note.addEventListener("keydown", (event) => {
    if (event.key === "Escape") note.value = audit.photo?.note ?? "";
    if (event.key === "Escape" || event.key === "Enter") note.blur();
  });
  byId("skip-reason").addEventListener("keydown", (event) => byId("skip-reason").querySelectorAll("button")[Number(event.key) - 1]?.click());
}

runPage(async (session) => {
  byId("student").hidden = session.is_blind;
  byId("reviewer").textContent = `you: ${session.reviewer}`;
  const audit = new Audit(session);
  bind(audit);
  await audit.begin(new URLSearchParams(location.search).get("photo"));
});
