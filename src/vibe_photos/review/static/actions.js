/** Actions on the current photo: accept, skip, flag, note, undo. They run one at a time, and are saved first. */

import { announce } from "./announce.js";
import { post } from "./api.js";
import { chooseDecision } from "./conflict.js";
import { byId } from "./dom.js";
import { showProgress } from "./progress.js";
import { chooseReason } from "./skip_reason.js";
import { retry, saveDecision, showRefusal } from "./saving.js";
import { isSameTruth } from "./truth.js";
import { edits } from "./unsaved.js";

export class Actions {
  constructor(audit) {
    this.audit = audit;
    this.isBusy = false;
    this.running = null;
    this.isShown = false;
    this.hasSeenStudent = false;
  }

  /** Start with another photo. */
  begin(isShown) {
    this.isShown = isShown;
    this.hasSeenStudent = false;
    byId("accept").disabled = !isShown;
    for (const id of ["skip", "flag"]) byId(id).disabled = this.audit.photo === null;
  }

  /** Save the labels as shown and go to the next photo. */
  accept() {
    const { audit } = this;
    if (!audit.photo) return;
    if (!this.isShown) return announce("This photo cannot be shown, so it cannot be judged: skip it");
    if (!audit.draft.scene) return announce("Choose a scene first, or skip the photo");
    return this.#alone(async () => {
      const { photo, draft } = audit;
      if (!(await this.#save(photo, draft))) return;
      edits.remove(photo.image_id);
      audit.photos.decided.add(photo.image_id);
      await this.#goOn("Saved. ");
    });
  }

  skip() {
    return this.#alone(async () => {
      const { photo, photos } = this.audit;
      const reason = await chooseReason();
      if (reason === null) return;
      const reply = await retry(() => post("skip", { image_id: photo.image_id, reason }));
      if (reply.progress) showProgress(reply.progress);
      photos.skipped.add(photo.image_id);
      announce("Skipped: it comes back at the end");
      await this.#goOn();
    });
  }

  flag() {
    return this.#mark({ is_flagged: !this.audit.photo.is_flagged }, (photo) => (photo.is_flagged ? "Flagged" : "Flag removed"));
  }

  note(text) {
    if (!this.audit.photo || text === this.audit.photo.note) return undefined;
    return this.#mark({ note: text }, () => "Note saved");
  }

  /** Undo the edits of this photo, or else this reviewer's last decision. */
  undo() {
    const { audit } = this;
    if (audit.photo && audit.isEdited) {
      announce("Edits of this photo undone");
      return audit.change(audit.prefilled);
    }
    return this.#alone(async () => {
      const reply = await retry(() => post("undo", {}));
      if (!reply.image_id) return announce("There is nothing to undo");
      showProgress(reply.progress);
      audit.preloader.forget(reply.image_id);
      audit.photos.goTo(reply.image_id);
      await audit.showCurrent();
      announce(reply.image_ids.length > 1 ? `${reply.image_ids.length} decisions undone` : "Last decision undone");
    });
  }

  /** Save a flag or note at once, in a line without labels. */
  #mark(change, says) {
    return this.#alone(async () => {
      const { audit } = this;
      this.#saved(audit.photo, await retry(() => post("remark", { image_id: audit.photo.image_id, ...change })));
      Object.assign(audit.photo, change);
      audit.showLabels();
      announce(says(audit.photo));
    });
  }

  /** @returns {Promise<boolean>} whether these labels were saved */
  async #save(photo, after) {
    const { image_id, version, is_flagged, note } = photo;
    const decision = { image_id, version, after, is_flagged, note, seen: this.#seen(photo) };
    try {
      this.#saved(photo, await saveDecision(decision));
      return true;
    } catch (error) {
      if (error.status === 409) return this.#resolveConflict(photo, decision, error.body);
      throw error;
    }
  }

  /** Whose labels the person saw. */
  #seen(photo) {
    const hasSeenOthers = photo.opinions.length > 0 || photo.current !== null;
    const teacher = photo.is_unassisted ? [] : ["teacher"];
    return [...teacher, ...(this.hasSeenStudent ? ["student"] : []), ...(hasSeenOthers ? ["reviewers"] : [])];
  }

  /** Resolve a conflict: if the saved labels changed, the person chooses; a new flag, note or skip is kept. */
  async #resolveConflict(photo, decision, saved) {
    const isUndecided = isSameTruth(saved.current, photo.current);
    const choice = isUndecided ? "mine" : await chooseDecision(saved, decision);
    if (choice === null) return false;
    Object.assign(photo, { version: saved.version, current: saved.current, is_flagged: saved.is_flagged, note: saved.note });
    if (choice === "mine") return this.#save(photo, decision.after);
    edits.remove(photo.image_id);
    this.audit.preloader.forget(photo.image_id);
    await this.audit.showCurrent();
    announce("The saved decision stays");
    return false;
  }

  #saved(photo, reply) {
    photo.version = reply.version;
    if (reply.progress) showProgress(reply.progress);
    this.audit.preloader.forget(photo.image_id);
  }

  /** @param {string} said read by a screen reader before the next photo's name */
  async #goOn(said = "") {
    await retry(() => this.audit.photos.next());
    await this.audit.showCurrent(said);
  }

  /** Run actions one at a time, in order; drop an action if its photo is no longer shown. */
  async #alone(run) {
    const { photo } = this.audit;
    while (this.running) await this.running;
    if (!this.audit.photos || this.audit.photo !== photo) return;
    this.running = this.#run(run);
    await this.running;
  }

  async #run(run) {
    this.isBusy = true;
    document.body.setAttribute("aria-busy", "true");
    try {
      await run();
    } catch (error) {
      showRefusal(error);
    } finally {
      this.isBusy = false;
      this.running = null;
      document.body.removeAttribute("aria-busy");
    }
  }
}
