/** Preload the photos around the current one, so that the next one appears at once. */

import { get, photoUrl } from "./api.js";

const SIZE = "1600";

export class Preloader {
  constructor() {
    this.kept = new Map();
  }

  /** Return a photo and its picture (null if it cannot be shown). */
  async load(imageId) {
    const entry = this.#entry(imageId);
    const [photo, picture] = await Promise.all([entry.photo, entry.picture]);
    return { photo, picture };
  }

  /** Preload these photos and drop all others. */
  keep(imageIds) {
    const wanted = new Set(imageIds);
    for (const imageId of this.kept.keys()) if (!wanted.has(imageId)) this.kept.delete(imageId);
    for (const imageId of wanted) this.#entry(imageId);
  }

  /** Fetch a photo's data again after a decision; its picture is kept. */
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

  /** Failed requests are not cached, so that they can be repeated. */
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
