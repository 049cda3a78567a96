/** The large photo with zoom, its name, and why it is in the queue. */

import { loadPicture } from "./preloader.js";
import { readPhotoError } from "./api.js";
import { byId, element } from "./dom.js";
import { percent } from "./names.js";
import { Zoom } from "./zoom.js";

const SHARPEN_FROM = 1.3;

export class Stage {
  constructor() {
    this.imageId = null;
    this.isSharp = false;
    this.zoom = new Zoom(byId("viewport"), (scale) => this.#scaled(scale));
    byId("zoom-in").addEventListener("click", () => this.zoom.in());
    byId("zoom-out").addEventListener("click", () => this.zoom.out());
    byId("zoom-whole").addEventListener("click", () => this.zoom.reset());
  }

  /** Show a photo, or the reason why it cannot be shown. */
  show(photo, picture) {
    this.imageId = photo.image_id;
    this.isSharp = false;
    byId("unshown").hidden = true;
    if (picture) {
      picture.alt = photo.rel_path;
      picture.className = "picture";
      this.zoom.show(picture);
    } else {
      byId("viewport").replaceChildren();
      this.#explain(photo.image_id);
    }
    this.#caption(photo);
  }

  clear() {
    this.imageId = null;
    byId("viewport").replaceChildren();
    byId("photo-path").textContent = "";
    byId("photo-facts").replaceChildren();
    byId("unshown").hidden = true;
  }

  async #explain(imageId) {
    byId("unshown-reason").textContent = "";
    byId("unshown").hidden = false;
    const reason = await readPhotoError(imageId);
    if (this.imageId === imageId) byId("unshown-reason").textContent = reason;
  }

  #caption(photo) {
    const cut = photo.rel_path.lastIndexOf("/") + 1;
    byId("photo-path").replaceChildren(
      element("span", { className: "folder", textContent: photo.rel_path.slice(0, cut) }),
      element("bdi", { textContent: photo.rel_path.slice(cut) }),
    );
    byId("photo-path").title = photo.rel_path;
    const facts = photo.reasons.map((text) => ({ text, className: "" }));
    if (photo.current) facts.unshift({ text: photo.decided_by ? `audited by ${photo.decided_by}` : "audited", className: "is-decided" });
    byId("photo-facts").replaceChildren(
      ...facts.map(({ text, className }) => element("li", { textContent: text, title: text, className })),
    );
  }

  #scaled(scale) {
    byId("zoom-scale").textContent = percent(scale);
    byId("zoom-controls").classList.toggle("is-used", scale > 1);
    if (scale >= SHARPEN_FROM && !this.isSharp && this.imageId !== null) this.#sharpen(this.imageId);
  }

  async #sharpen(imageId) {
    this.isSharp = true;
    const picture = await loadPicture(imageId, "full");
    if (picture === null || this.imageId !== imageId) return;
    picture.alt = this.zoom.picture.alt;
    this.zoom.sharpen(picture);
  }
}
