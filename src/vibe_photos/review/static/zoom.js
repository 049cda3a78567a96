/** Zoom by wheel, pinch, double click and keys; drag to move the picture. */

const MOST = 12;
const STEP = 1.4;

export class Zoom {
  /** @param {HTMLElement} viewport the box the picture is shown in; @param {(scale: number) => void} onScale */
  constructor(viewport, onScale) {
    this.viewport = viewport;
    this.onScale = onScale;
    this.pointers = new Map();
    this.picture = null;
    this.reset();
    viewport.addEventListener("wheel", (event) => this.#turnWheel(event), { passive: false });
    viewport.addEventListener("dblclick", (event) => this.toggle(event.clientX, event.clientY));
    viewport.addEventListener("pointerdown", (event) => this.#press(event));
    viewport.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      viewport.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
  }

  /** Show another picture, whole. */
  show(picture) {
    this.picture = picture;
    picture.draggable = false;
    this.viewport.replaceChildren(picture);
    this.reset();
  }

  /** Replace the picture by a sharper one, with the same zoom and position. */
  sharpen(picture) {
    picture.draggable = false;
    picture.className = this.picture.className;
    this.viewport.replaceChildren(picture);
    this.picture = picture;
    this.#apply();
  }

  reset() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.pointers.clear();
    this.#apply();
  }

  toggle(clientX, clientY) {
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
    this.onScale(this.scale);
  }
}
