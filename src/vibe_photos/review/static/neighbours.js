/** The photo at hand and those beside it, fetched and drawn ahead, so that the next one is there at once. */

import { get, photoUrl } from "./api.js";

const SIZE = "1600";

export class Neighbours {
  constructor() {
    this.kept = new Map();
  }

  /** What is known of a photo and its picture (null where it cannot be shown). */
  async load(imageId) {
    const entry = this.#entry(imageId);
    const [photo, picture] = await Promise.all([entry.photo, entry.picture]);
    return { photo, picture };
  }

  /** Fetch these ahead and let go of all others. */
  keep(imageIds) {
    const wanted = new Set(imageIds);
    for (const imageId of this.kept.keys()) if (!wanted.has(imageId)) this.kept.delete(imageId);
    for (const imageId of wanted) this.#entry(imageId);
  }

  /** Ask again for what is known of a photo: a decision changed it. Its picture stays. */
  forget(imageId) {
    const entry = this.kept.get(imageId);
    if (entry) entry.photo = null;
  }

  #entry(imageId) {
    const entry = this.kept.get(imageId) ?? { photo: null, picture: loadPicture(imageId, SIZE) };
    this.kept.set(imageId, entry);
    entry.photo ??= this.#fetch(imageId, entry);
    return entry;
  }

  /** A failed look ahead is not remembered, so that the photo itself can be asked for again. */
  #fetch(imageId, entry) {
    const photo = get(`photo/${encodeURIComponent(imageId)}`);
    photo.catch(() => {
      if (entry.photo === photo) this.kept.delete(imageId);
    });
    return photo;
  }
}

/** @returns {Promise<HTMLImageElement|null>} decoded and ready to be shown, or null */
export async function loadPicture(imageId, size) {
  const picture = new Image();
  picture.src = photoUrl(imageId, size);
  try {
    await picture.decode();
    return picture;
  } catch {
    return null;
  }
}
