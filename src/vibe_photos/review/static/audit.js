/** The review page: one photo at a time; each decision is on disk before the next photo appears. */

import { announce, announceToScreenReader } from "./announce.js";
import { get, Refused } from "./api.js";
import { wireConflict } from "./conflict.js";
import { bindAuditKeys } from "./audit_keys.js";
import { Actions } from "./actions.js";
import { byId } from "./dom.js";
import { isWholeQueue, markQueue, readFilter, wireFilter, writeAddress } from "./filter.js";
import { describeTruth } from "./names.js";
import { Preloader } from "./preloader.js";
import { Panel } from "./panel.js";
import { showQueue } from "./progress.js";
import { retry } from "./saving.js";
import { runPage } from "./session.js";
import { Stage } from "./stage.js";
import * as truths from "./truth.js";
import { edits } from "./unsaved.js";
import { PhotoList } from "./photo_list.js";

const AHEAD = 3;

class Audit {
  constructor(session) {
    this.session = session;
    this.filter = { value: readFilter() };
    this.preloader = new Preloader();
    this.stage = new Stage();
    this.actions = new Actions(this);
    this.photo = null;
    this.draft = truths.NOTHING;
    this.student = null;
    this.panel = new Panel(session, {
      scene: (key) => this.change(truths.chooseScene(this.draft, key, session.attributes)),
      attribute: (key, value) => this.change(truths.withAttribute(this.draft, key, value)),
      addObject: (key) => this.change(truths.withObject(this.draft, key)),
      removeObject: (key) => this.change(truths.withoutObject(this.draft, key)),
      propose: (word) => this.change(truths.withProposal(this.draft, word)),
      unpropose: (word) => this.change(truths.withoutProposal(this.draft, word)),
      enter: () => this.actions.accept(),
    });
    this.openFilter = wireFilter(session, this.filter, () => this.begin(null));
  }

  /** Start the list of the filter, at a photo or at its first. */
  async begin(imageId) {
    this.photos = new PhotoList(this.filter.value);
    markQueue(this.filter.value.list);
    showQueue(this.filter.value.list);
    await retry(() => this.photos.start(imageId));
    await this.showCurrent();
  }

  /** Show the current photo, and preload the ones around it. */
  async showCurrent(said = "") {
    const item = this.photos.current;
    byId("labels").inert = item === null;
    byId("done").hidden = item !== null;
    if (item === null) return this.#showDone(said);
    let loaded;
    try {
      loaded = await retry(() => this.preloader.load(item.image_id));
    } catch (error) {
      return this.#showMissing(error);
    }
    if (this.photos.current !== item) return;
    this.#take(loaded.photo, loaded.picture);
    announceToScreenReader(`${said}${loaded.photo.rel_path}. ${describeTruth(this.draft)}`);
    const before = this.photos.items[this.photos.at - 1];
    this.preloader.keep([item, ...this.photos.ahead(AHEAD), before].filter(Boolean).map((each) => each.image_id));
  }

  /** Replace the edited labels. */
  change(draft) {
    if (!this.photo || this.actions.isBusy) return;
    this.draft = draft;
    if (this.isEdited) edits.write(this.photo.image_id, { truth: draft, version: this.photo.version });
    else edits.remove(this.photo.image_id);
    this.showLabels();
  }

  /** The labels before any edit. */
  get prefilled() {
    const { current, teacher, is_unassisted: isUnassisted } = this.photo;
    return current ?? teacher ?? (isUnassisted ? truths.withoutAny(this.session.attributes) : truths.NOTHING);
  }

  get isEdited() {
    return !truths.isSameTruth(this.draft, this.prefilled);
  }

  showLabels() {
    this.panel.show(this.draft, this.photo.teacher, this.student);
    byId("flag").setAttribute("aria-pressed", String(this.photo.is_flagged));
    byId("edited").hidden = !this.isEdited;
  }

  async go(step) {
    if (this.actions.isBusy || !this.photos) return;
    if (step < 0 && this.photos.at === 0) return announce("This is the first photo of the list");
    if (step > 0) await retry(() => this.photos.next());
    else this.photos.previous();
    await this.showCurrent();
  }

  /** Show or hide the student's labels of this photo. */
  async toggleStudent() {
    if (!this.photo || this.session.is_blind) return announce("This review is blind: the student's labels are hidden");
    if (this.photo.is_unassisted) return announce("The student's labels of this photo are hidden, as the teacher's are");
    if (this.student) this.student = null;
    else await this.#askStudent();
    byId("student").setAttribute("aria-pressed", String(this.student !== null));
    this.showLabels();
  }

  async #askStudent() {
    const { photo } = this;
    const { labels } = await retry(() => get(`photo/${encodeURIComponent(photo.image_id)}/student`));
    if (this.photo !== photo) return;
    this.student = new Map(labels.map((label) => [label.key, { score: label.score, value: Boolean(label.value) }]));
    this.actions.hasSeenStudent = true;
    if (!labels.length) announce("The student has no labels for this photo yet");
  }

  #take(photo, picture) {
    const edit = edits.read(photo.image_id);
    this.photo = edit ? { ...photo, version: edit.version } : photo;
    this.draft = edit?.truth ?? this.prefilled;
    this.student = null;
    this.actions.begin(picture !== null);
    byId("student").setAttribute("aria-pressed", "false");
    byId("alike").href = `mistakes?${new URLSearchParams({ list: "all", status: "", near: photo.image_id })}`;
    byId("note").value = photo.note;
    byId("photo-effect").textContent = photo.effect;
    byId("photo-effect").dataset.purpose = photo.purpose;
    this.panel.search.leave();
    this.panel.showReviewers(photo.opinions);
    this.stage.show(photo, picture);
    this.showLabels();
    byId("labels").scrollTop = 0;
    writeAddress(this.filter.value, photo.image_id);
  }

  #showDone(said) {
    this.photo = null;
    this.actions.begin(false);
    this.stage.clear();
    writeAddress(this.filter.value, null);
    const usual = isWholeQueue(this.filter.value);
    const { list } = this.filter.value;
    const all = list === "teach" ? "No photo is left to teach" : "Every photo of the sample is checked";
    byId("done-title").textContent = usual ? all : "No photo left with this filter";
    byId("done-measure").hidden = !usual || list !== "measure";
    byId("done-teach").hidden = !usual || list !== "teach";
    byId("done-filter").hidden = usual;
    announceToScreenReader(said + byId("done-title").textContent);
  }

  #showMissing(error) {
    if (!(error instanceof Refused) || error.status === 403) throw error;
    announce(error.message);
    this.photos.decided.add(this.photos.current.image_id);
    return this.go(1);
  }
}

async function main(session) {
  byId("student").hidden = session.is_blind;
  byId("reviewer").textContent = `you: ${session.reviewer}`;
  wireConflict();
  const audit = new Audit(session);
  bindAuditKeys(audit);
  await audit.begin(new URLSearchParams(location.search).get("photo"));
}

runPage(main);
