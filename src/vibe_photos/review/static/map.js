/** The map of the library: every photo a point, alike photos close together, with a lasso. */

import { byId, element } from "./dom.js";
import { labelName } from "./labels.js";

const BYTES = 8;
const NONE = 255;
const MATCHES = 1;
const SUSPECTED = 2;
const DECIDED = 4;
const CLOSE = 0.004;
const WRONG = [
  { name: "the two agree", hue: 210, saturation: 8 },
  { name: "student and teacher differ", hue: 40, saturation: 90 },
  { name: "the teacher is probably wrong", hue: 0, saturation: 80 },
  { name: "a person decided", hue: 235, saturation: 75 },
];

export class PhotoMap {
  /** @param {string[]} scenes sorted keys @param {(lasso: string) => void} onLasso */
  constructor(scenes, onLasso) {
    this.scenes = [...scenes].sort();
    this.onLasso = onLasso;
    this.canvas = byId("map");
    this.points = null;
    this.line = [];
    this.canvas.addEventListener("pointerdown", (event) => this.#press(event));
    this.canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => this.#release());
    byId("map-colour").addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** @param {ArrayBuffer} bytes eight a photo: x, y, scene, the student's scene, flags */
  show(bytes) {
    this.points = new DataView(bytes);
    this.draw();
  }

  draw() {
    const { canvas, points } = this;
    if (!points || !canvas.clientWidth) return;
    const scale = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const context = canvas.getContext("2d");
    const count = points.byteLength / BYTES;
    const size = Math.max(1.5, Math.min(5, 160 / Math.sqrt(count))) * scale;
    const kinds = this.#kinds();
    const seen = kinds.map(() => 0);
    for (const isBright of [false, true]) {
      context.globalAlpha = isBright ? 0.95 : 0.22;
      for (let at = 0; at < count * BYTES; at += BYTES) {
        const flags = points.getUint8(at + 6);
        if (Boolean(flags & MATCHES) !== isBright || (!points.getUint16(at, true) && !points.getUint16(at + 2, true))) continue;
        const kind = this.#kindOf(at, flags);
        seen[kind] += 1;
        context.fillStyle = kinds[kind].colour;
        context.fillRect((points.getUint16(at, true) / 65535) * canvas.width - size / 2, (points.getUint16(at + 2, true) / 65535) * canvas.height - size / 2, size, size);
      }
    }
    this.#drawLine(context, scale);
    byId("map-legend").replaceChildren(
      ...kinds.filter((_, at) => seen[at]).map(({ name, colour }) => {
        const dot = element("span", { className: "dot" });
        dot.style.setProperty("background", colour);
        return element("li", {}, dot, name);
      }),
    );
  }

  #kinds() {
    const light = matchMedia("(prefers-color-scheme: dark)").matches ? 66 : 42;
    if (byId("map-colour").value === "wrong") {
      return WRONG.map(({ name, hue, saturation }) => ({ name, colour: `hsl(${hue} ${saturation}% ${light}%)` }));
    }
    const named = this.scenes.map((key, at) => ({ name: labelName(key), colour: `hsl(${(at * 360) / this.scenes.length} 70% ${light + 14 * (at % 2) - 7}%)` }));
    return [...named, { name: "no scene", colour: `hsl(0 0% ${light}%)` }];
  }

  #kindOf(at, flags) {
    const scene = this.points.getUint8(at + 4);
    const student = this.points.getUint8(at + 5);
    if (byId("map-colour").value === "wrong") {
      if (flags & DECIDED) return 3;
      if (flags & SUSPECTED) return 2;
      return student !== NONE && scene !== NONE && student !== scene ? 1 : 0;
    }
    const shown = byId("map-colour").value === "student" ? student : scene;
    return shown === NONE ? this.scenes.length : shown;
  }

  #drawLine(context, scale) {
    if (this.line.length < 2) return;
    context.globalAlpha = 1;
    context.strokeStyle = getComputedStyle(document.body).color;
    context.lineWidth = 2 * scale;
    context.beginPath();
    for (const [x, y] of this.line) context.lineTo(x * this.canvas.width, y * this.canvas.height);
    context.closePath();
    context.stroke();
  }

  #press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.isDrawing = true;
    this.line = [this.#place(event)];
  }

  #move(event) {
    if (!this.isDrawing) return;
    const [x, y] = this.#place(event);
    const [lastX, lastY] = this.line.at(-1);
    if (Math.hypot(x - lastX, y - lastY) < CLOSE) return;
    this.line.push([x, y]);
    this.draw();
  }

  #release() {
    if (!this.isDrawing) return;
    this.isDrawing = false;
    const step = Math.ceil(this.line.length / 80);
    const corners = this.line.filter((_, at) => at % step === 0);
    this.onLasso(corners.length > 2 ? corners.map(([x, y]) => `${x.toFixed(3)},${y.toFixed(3)}`).join(";") : "");
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    const within = (value) => Math.min(1, Math.max(0, value));
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  }
}
