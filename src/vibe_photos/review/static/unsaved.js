/** What was typed and is not on disk yet: kept in the browser over a reload or a dead server. */

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

/** Edits of photos that nobody accepted yet: this tab's own. */
export const edits = new Unsaved(sessionStorage, "edit");

/** Decisions that were taken and are on their way to the disk: any tab of this address may bring them there. */
export const decisions = new Unsaved(localStorage, "decision");
