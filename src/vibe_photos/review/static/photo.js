/** The large photo: zoom by wheel, pinch, double click, keys and drag; its name; and the photos that come next. */

import { get, photoUrl, readPhotoError } from "./api.js";
import { byId, element } from "./dom.js";
import { percent } from "./labels.js";

const SIZE = "1600";
const SHARPEN_FROM = 1.3;
const MOST = 12;
const STEP = 1.4;

export class Stage {
  constructor() {
    this.viewport = byId("viewport");
    this.pointers = new Map();
    this.clear();
    this.viewport.addEventListener("wheel", (event) => this.#turnWheel(event), { passive: false });
    this.viewport.addEventListener("dblclick", (event) => this.toggle(event.clientX, event.clientY));
    this.viewport.addEventListener("pointerdown", (event) => this.#press(event));
    this.viewport.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.viewport.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
    byId("zoom-in").addEventListener("click", () => this.in());
    byId("zoom-out").addEventListener("click", () => this.out());
    byId("zoom-whole").addEventListener("click", () => this.reset());
  }

  /** Show a photo whole, or the reason why it cannot be shown. */
  show(photo, picture) {
    this.clear();
    this.imageId = photo.image_id;
    if (picture) this.#put(picture, photo.rel_path);
    else this.#explain(photo.image_id);
    this.reset();
    const cut = photo.rel_path.lastIndexOf("/") + 1;
    byId("photo-path").replaceChildren(
      element("span", { className: "folder", textContent: photo.rel_path.slice(0, cut) }),
      element("bdi", { textContent: photo.rel_path.slice(cut) }),
    );
    byId("photo-path").title = photo.rel_path;
    const decided = photo.people ? [`audited${photo.decided_by ? ` by ${photo.decided_by}` : ""}`] : [];
    byId("photo-facts").replaceChildren(
      ...[...decided, ...photo.reasons].map((text) => element("li", { textContent: text, title: text, className: decided.includes(text) ? "is-decided" : "" })),
    );
  }

  clear() {
    this.imageId = null;
    this.picture = null;
    this.isSharp = false;
    this.viewport.replaceChildren();
    byId("photo-path").textContent = "";
    byId("photo-facts").replaceChildren();
    byId("unshown").hidden = true;
    this.reset();
  }

  reset() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.pointers.clear();
    this.#apply();
  }

  toggle(clientX = null, clientY = null) {
    if (this.scale > 1) this.reset();
    else this.#scaleTo(STEP ** 3, clientX, clientY);
  }

  in() {
    this.#scaleTo(this.scale * STEP);
  }

  out() {
    this.#scaleTo(this.scale / STEP);
  }

  /** Move by shares of the viewport. */
  pan(right, down) {
    this.x -= right * this.viewport.clientWidth;
    this.y -= down * this.viewport.clientHeight;
    this.#apply();
  }

  #put(picture, alt) {
    Object.assign(picture, { alt, className: "picture", draggable: false });
    this.picture = picture;
    this.viewport.replaceChildren(picture);
  }

  async #explain(imageId) {
    byId("unshown-reason").textContent = "";
    byId("unshown").hidden = false;
    const reason = await readPhotoError(imageId);
    if (this.imageId === imageId) byId("unshown-reason").textContent = reason;
  }

  /** Replace the picture by a sharper one, with the same zoom and position. */
  async #sharpen(imageId) {
    this.isSharp = true;
    const picture = await loadPicture(imageId, "full");
    if (picture === null || this.imageId !== imageId) return;
    this.#put(picture, this.picture.alt);
    this.#apply();
  }

  #turnWheel(event) {
    event.preventDefault();
    this.#scaleTo(this.scale * Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
  }

  #press(event) {
    if (event.target.closest("button, a")) return;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.scale > 1 || this.pointers.size > 1) this.viewport.setPointerCapture(event.pointerId);
  }

  #move(event) {
    const before = this.pointers.get(event.pointerId);
    if (before === undefined) return;
    const spreadBefore = this.#spread();
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const [one, two] = [...this.pointers.values()];
    if (two) {
      this.#scaleTo((this.scale * this.#spread()) / spreadBefore, (one.x + two.x) / 2, (one.y + two.y) / 2);
    } else if (this.scale > 1) {
      this.x += event.clientX - before.x;
      this.y += event.clientY - before.y;
      this.#apply();
    }
  }

  #spread() {
    const [one, two] = [...this.pointers.values()];
    return two ? Math.max(1, Math.hypot(one.x - two.x, one.y - two.y)) : 1;
  }

  /** Zoom around a point of the window (default: the viewport's middle), which stays in place. */
  #scaleTo(scale, clientX = null, clientY = null) {
    const box = this.viewport.getBoundingClientRect();
    const fromMiddleX = clientX === null ? 0 : clientX - box.left - box.width / 2;
    const fromMiddleY = clientY === null ? 0 : clientY - box.top - box.height / 2;
    const next = Math.min(MOST, Math.max(1, scale));
    const ratio = next / this.scale;
    this.x = fromMiddleX - ratio * (fromMiddleX - this.x);
    this.y = fromMiddleY - ratio * (fromMiddleY - this.y);
    this.scale = next;
    this.#apply();
  }

  #apply() {
    const reachX = (this.viewport.clientWidth * (this.scale - 1)) / 2;
    const reachY = (this.viewport.clientHeight * (this.scale - 1)) / 2;
    this.x = Math.min(reachX, Math.max(-reachX, this.x));
    this.y = Math.min(reachY, Math.max(-reachY, this.y));
    this.viewport.classList.toggle("is-zoomed", this.scale > 1);
    if (this.picture) this.picture.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    byId("zoom-scale").textContent = percent(this.scale);
    byId("zoom-controls").classList.toggle("is-used", this.scale > 1);
    if (this.scale >= SHARPEN_FROM && !this.isSharp && this.picture) this.#sharpen(this.imageId);
  }
}

/** Loads the photos around the current one, so that the next one appears immediately. */
export class Preloader {
  constructor() {
    this.kept = new Map();
  }

  /** A photo and its picture (null if it cannot be shown). */
  async load(imageId) {
    const { photo, picture } = this.#entry(imageId);
    return { photo: await photo, picture: await picture };
  }

  /** Load these photos and drop all others. */
  keep(imageIds) {
    for (const imageId of this.kept.keys()) if (!imageIds.includes(imageId)) this.kept.delete(imageId);
    for (const imageId of imageIds) this.#entry(imageId);
  }

  /** Fetch a photo's data again after a decision; its picture is kept. */
  forget(imageId) {
    if (this.kept.has(imageId)) this.kept.get(imageId).photo = null;
  }

  #entry(imageId) {
    const entry = this.kept.get(imageId) ?? { photo: null, picture: loadPicture(imageId, SIZE) };
    this.kept.set(imageId, entry);
    if (entry.photo === null) {
      const photo = get(`photo/${encodeURIComponent(imageId)}`);
      entry.photo = photo;
      // What failed is not kept, so that it can be asked for again.
      photo.catch(() => entry.photo === photo && this.kept.delete(imageId));
    }
    return entry;
  }
}

/** @returns {Promise<HTMLImageElement|null>} decoded and ready to be shown, or null */
async function loadPicture(imageId, size) {
  const picture = new Image();
  picture.src = photoUrl(imageId, size);
  return picture.decode().then(() => picture, () => null);
}
