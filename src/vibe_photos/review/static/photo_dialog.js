/** A dialog with one large photo of the library. */

import { readPhotoError } from "./api.js";
import { byId, element } from "./dom.js";
import { labelName } from "./names.js";
import { loadPicture } from "./preloader.js";
import { Zoom } from "./zoom.js";

export class PhotoDialog {
  constructor() {
    this.dialog = byId("photo");
    this.zoom = new Zoom(byId("viewport"), () => {});
    this.items = [];
    byId("photo-before").addEventListener("click", () => this.#step(-1));
    byId("photo-after").addEventListener("click", () => this.#step(1));
    byId("photo-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") this.#step(-1);
      if (event.key === "ArrowRight") this.#step(1);
    });
  }

  open(items, at) {
    this.items = items;
    this.dialog.showModal();
    this.#show(at);
  }

  #step(by) {
    if (this.at + by in this.items) this.#show(this.at + by);
  }

  async #show(at) {
    this.at = at;
    const item = this.items[at];
    byId("photo-name").textContent = item.rel_path;
    byId("photo-labels").textContent = `${describeLabels(item)}, ${item.is_audited ? "audited" : "by the student"}`;
    byId("photo-audit").href = `./?${new URLSearchParams({ list: "all", status: "", photo: item.image_id })}`;
    byId("photo-before").disabled = at === 0;
    byId("photo-after").disabled = at === this.items.length - 1;
    const picture = await loadPicture(item.image_id, "1600");
    if (this.items[this.at] !== item) return;
    if (picture === null) {
      byId("viewport").replaceChildren(element("p", { textContent: await readPhotoError(item.image_id) }));
      return;
    }
    picture.className = "picture";
    picture.alt = item.rel_path;
    this.zoom.show(picture);
    if (at + 1 in this.items) loadPicture(this.items[at + 1].image_id, "1600");
  }
}

/** The final labels in a few words. */
export function describeLabels({ scene, attributes, objects }) {
  return [scene, ...attributes, ...objects].filter(Boolean).map(labelName).join(", ") || "no labels";
}
