/** Unsaved edits and decisions, kept in the browser so that they survive a reload or a stopped server. */

export class Unsaved {
  /** @param {Storage} storage @param {string} name */
  constructor(storage, name) {
    this.storage = storage;
    this.prefix = `vibe-photos ${name} `;
  }

  read(imageId) {
    const text = this.storage.getItem(this.prefix + imageId);
    return text === null ? null : JSON.parse(text);
  }

  write(imageId, value) {
    this.storage.setItem(this.prefix + imageId, JSON.stringify(value));
  }

  remove(imageId) {
    this.storage.removeItem(this.prefix + imageId);
  }

  all() {
    return Object.keys(this.storage)
      .filter((key) => key.startsWith(this.prefix))
      .map((key) => JSON.parse(this.storage.getItem(key)));
  }
}

/** Edits that are not accepted yet, in this tab only. */
export const edits = new Unsaved(sessionStorage, "edit");

/** Decisions that are not saved yet; any tab at this address may send them. */
export const decisions = new Unsaved(localStorage, "decision");
