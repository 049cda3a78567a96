/** The audit: one photo at a time, decided by keyboard, mouse or finger; on disk before the next one shows. */

import { announce, whisper } from "./announce.js";
import { get, Refused } from "./api.js";
import { wireConflict } from "./conflict.js";
import { bindAuditKeys } from "./audit_keys.js";
import { Decider } from "./decider.js";
import { byId } from "./dom.js";
import { isUsual, markQueue, readFilter, wireFilter, writeAddress } from "./filter.js";
import { describeTruth } from "./names.js";
import { Neighbours } from "./neighbours.js";
import { Panel } from "./panel.js";
import { showQueue } from "./progress.js";
import { insist } from "./saving.js";
import { runPage } from "./session.js";
import { Stage } from "./stage.js";
import * as truths from "./truth.js";
import { edits } from "./unsaved.js";
import { Walk } from "./walk.js";

const AHEAD = 3;

class Audit {
  constructor(session) {
    this.session = session;
    this.filter = { value: readFilter() };
    this.neighbours = new Neighbours();
    this.stage = new Stage();
    this.decider = new Decider(this);
    this.photo = null;
    this.draft = truths.NOTHING;
    this.student = null;
    this.panel = new Panel(session, {
      scene: (key) => this.change(truths.chooseScene(this.draft, key, session.attributes)),
      attribute: (key, value) => this.change(truths.withAttribute(this.draft, key, value)),
      addObject: (key) => this.change(truths.withObject(this.draft, key)),
      removeObject: (key) => this.change(truths.withoutObject(this.draft, key)),
      enter: () => this.decider.accept(),
    });
    this.openFilter = wireFilter(session, this.filter, () => this.begin(null));
  }

  /** Begin the list that the filter asks for, at a photo or at its first. */
  async begin(imageId) {
    this.walk = new Walk(this.filter.value);
    markQueue(this.filter.value.list);
    showQueue(this.filter.value.list);
    await insist(() => this.walk.start(imageId));
    await this.showCurrent();
  }

  /** Show the photo that the walk is at; what lies beside it is fetched meanwhile. */
  async showCurrent(said = "") {
    const item = this.walk.current;
    byId("labels").inert = item === null;
    byId("done").hidden = item !== null;
    if (item === null) return this.#showDone(said);
    let loaded;
    try {
      loaded = await insist(() => this.neighbours.load(item.image_id));
    } catch (error) {
      return this.#showMissing(error);
    }
    if (this.walk.current !== item) return;
    this.#take(loaded.photo, loaded.picture);
    whisper(`${said}${loaded.photo.rel_path}. ${describeTruth(this.draft)}`);
    const before = this.walk.items[this.walk.at - 1];
    this.neighbours.keep([item, ...this.walk.ahead(AHEAD), before].filter(Boolean).map((each) => each.image_id));
  }

  /** The labels as they lie on the page become these. */
  change(draft) {
    if (!this.photo || this.decider.isBusy) return;
    this.draft = draft;
    if (this.isEdited) edits.write(this.photo.image_id, { truth: draft, version: this.photo.version });
    else edits.remove(this.photo.image_id);
    this.showLabels();
  }

  /** What the labels were before anything was edited. */
  get prefilled() {
    return this.photo.current ?? this.photo.teacher ?? truths.NOTHING;
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
    if (this.decider.isBusy || !this.walk) return;
    if (step < 0 && this.walk.at === 0) return announce("This is the first photo of the list");
    if (step > 0) await insist(() => this.walk.next());
    else this.walk.previous();
    await this.showCurrent();
  }

  /** Show or hide what the student says of this photo. */
  async toggleStudent() {
    if (!this.photo || this.session.is_blind) return announce("This is a blind audit: the student stays silent");
    if (this.student) this.student = null;
    else await this.#askStudent();
    byId("student").setAttribute("aria-pressed", String(this.student !== null));
    this.showLabels();
  }

  async #askStudent() {
    const { photo } = this;
    const { labels } = await insist(() => get(`photo/${encodeURIComponent(photo.image_id)}/student`));
    if (this.photo !== photo) return;
    this.student = new Map(labels.map((label) => [label.key, { score: label.score, value: Boolean(label.value) }]));
    this.decider.hasSeenStudent = true;
    if (!labels.length) announce("The student says nothing of this photo yet");
  }

  #take(photo, picture) {
    const edit = edits.read(photo.image_id);
    this.photo = edit ? { ...photo, version: edit.version } : photo;
    this.draft = edit?.truth ?? this.prefilled;
    this.student = null;
    this.decider.begin(picture !== null);
    byId("student").setAttribute("aria-pressed", "false");
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
    this.decider.begin(false);
    this.stage.clear();
    writeAddress(this.filter.value, null);
    const usual = isUsual(this.filter.value);
    const { list } = this.filter.value;
    const all = list === "teach" ? "No photo is left to teach" : "Every photo of the sample is checked";
    byId("done-title").textContent = usual ? all : "No photo left with this filter";
    byId("done-measure").hidden = !usual || list !== "measure";
    byId("done-teach").hidden = !usual || list !== "teach";
    byId("done-filter").hidden = usual;
    whisper(said + byId("done-title").textContent);
  }

  #showMissing(error) {
    if (!(error instanceof Refused) || error.status === 403) throw error;
    announce(error.message);
    this.walk.decided.add(this.walk.current.image_id);
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
