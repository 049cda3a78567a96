/** Twenty similar photos at once: mark the wrong ones, confirm the others with one key. */

import { announce } from "./announce.js";
import { get, post } from "./api.js";
import { byId, element, releaseFocus } from "./dom.js";
import { bindGridKeys } from "./grid_keys.js";
import { describeTruth, labelName } from "./names.js";
import { showProgress, showQueue } from "./progress.js";
import { retry, saveDecisions, showRefusal } from "./saving.js";
import { runPage } from "./session.js";
import { fileLine, labelLines, makeTile } from "./tiles.js";
import { chooseScene, NOTHING } from "./truth.js";

class Grid {
  constructor(session) {
    this.session = session;
    const asked = new URLSearchParams(location.search);
    this.scene = asked.get("scene") ?? session.scenes[0].key;
    this.list = asked.get("list") === "teach" ? "teach" : "measure";
    this.by = session.is_blind ? "teacher" : (asked.get("by") ?? "teacher");
    this.offset = 0;
    this.items = [];
    this.wrong = new Set();
    this.shown = new Set();
    this.lastBatch = new Set();
    this.isBusy = false;
    byId("grid-list").value = this.list;
    byId("grid-by").value = this.by;
    byId("grid-by-label").hidden = session.is_blind;
  }

  /** Show the photos of a scene, from the first. */
  choose(scene, by = this.by, list = this.list) {
    return this.#alone(() => {
      Object.assign(this, { scene, by, list, offset: 0 });
      return this.load();
    });
  }

  /** The labels to be confirmed: the teacher's, but in the student's grid with the student's scene. */
  propose({ teacher }) {
    return teacher && this.by === "student" ? chooseScene(teacher, this.scene, this.session.attributes) : teacher;
  }

  /** The photos that can be confirmed: shown and not marked. */
  get right() {
    return this.items.filter(
      ({ image_id: imageId, teacher }) => teacher && this.shown.has(imageId) && !this.wrong.has(imageId),
    );
  }

  async load() {
    const asked = { scene: this.scene, by: this.by, list: this.list };
    showQueue(this.list);
    history.replaceState(null, "", `?${new URLSearchParams(asked)}`);
    const page = await retry(() => get("grid", { ...asked, offset: this.offset }));
    this.items = page.items;
    this.total = page.total;
    this.wrong = new Set();
    this.shown = new Set();
    this.#showTabs(page.scenes);
    this.#showTiles();
  }

  toggle(imageId, tile) {
    if (this.wrong.has(imageId)) this.wrong.delete(imageId);
    else this.wrong.add(imageId);
    tile.setAttribute("aria-pressed", String(this.wrong.has(imageId)));
    this.#showCount();
  }

  /** Save all that are not marked; those that are marked, or cannot be shown, stay in the queue. */
  confirm() {
    return this.#alone(async () => {
      const confirmed = this.right;
      if (!this.items.length) return;
      if (confirmed.length) await this.#save(confirmed);
      this.offset += this.items.length - confirmed.length;
      await this.load();
    });
  }

  /** Show the next photos without a decision; after the last ones the first again. */
  showOthers() {
    return this.#alone(async () => {
      const next = this.offset + this.items.length;
      this.offset = next < this.total ? next : 0;
      await this.load();
    });
  }

  /** Undo everything that was confirmed last, or this reviewer's last decision. */
  undo() {
    return this.#alone(async () => {
      let count = 0;
      do {
        const reply = await retry(() => post("undo", {}));
        if (!reply.image_id) break;
        count += 1;
        this.lastBatch.delete(reply.image_id);
        showProgress(reply.progress);
      } while (this.lastBatch.size);
      announce(count ? `${count} undone` : "There is nothing to undo");
      this.offset = 0;
      await this.load();
    });
  }

  async #save(items) {
    const seen = this.by === "student" ? ["teacher", "student"] : ["teacher"];
    const reply = await saveDecisions(
      items.map((item) => {
        const { image_id, version, is_flagged, note } = item;
        return { image_id, version, after: this.propose(item), is_flagged, note, seen };
      }),
    );
    showProgress(reply.progress);
    this.lastBatch = new Set(Object.keys(reply.versions));
    const stale = reply.stale.length;
    announce(`${items.length - stale} confirmed${stale ? `; ${stale} were decided elsewhere in the meantime and stay unchanged` : ""}`);
  }

  #showTabs(counts) {
    const { scenes, hotkeys } = this.session;
    const tabs = scenes.map(({ key }) =>
      element(
        "button",
        {
          type: "button",
          "aria-pressed": String(key === this.scene),
          onclick: (event) => {
            releaseFocus(event);
            this.choose(key);
          },
        },
        key in hotkeys ? element("kbd", { textContent: hotkeys[key], "aria-hidden": "true" }) : null,
        element("span", { textContent: labelName(key) }),
        element("small", { textContent: String(counts[key] ?? 0) }),
      ),
    );
    byId("grid-scenes").replaceChildren(...tabs);
    byId("grid-scenes").querySelector("[aria-pressed=true]")?.scrollIntoView({ inline: "center", block: "nearest" });
  }

  #showTiles() {
    const tiles = this.items.map((item) => {
      const proposed = this.propose(item) ?? NOTHING;
      const says = describeTruth(proposed);
      const { scene, attributes, objects } = proposed;
      const holds = Object.keys(attributes).filter((key) => attributes[key]);
      const lines = [
        ...labelLines(scene, holds, objects),
        fileLine(item.rel_path),
        element("span", { className: "verdict", textContent: "stays", "aria-hidden": "true" }),
      ];
      const properties = {
        "aria-pressed": "false",
        "aria-label": `${says}; ${item.rel_path}: mark as wrong`,
        "data-image": item.image_id,
        "data-choice": "",
      };
      const toggle = (event) => this.toggle(item.image_id, event.currentTarget);
      return makeTile(item, lines, toggle, properties, () => {
        this.shown.add(item.image_id);
        this.#showCount();
      });
    });
    byId("grid-tiles").replaceChildren(...tiles);
    byId("grid-empty").hidden = this.items.length > 0;
    byId("grid-empty").textContent = this.total
      ? `${this.total} photos of ${labelName(this.scene)} were marked and stay in the queue.`
      : `No open photo has the scene ${labelName(this.scene)}.`;
    byId("main").scrollTop = 0;
    this.#showCount();
  }

  #showCount() {
    const { length } = this.items;
    const right = this.right.length;
    byId("grid-count").textContent = length
      ? `${this.offset + 1} to ${this.offset + length} of ${this.total} open${this.wrong.size ? `, ${this.wrong.size} marked` : ""}`
      : "";
    byId("grid-confirm").firstChild.textContent = right ? `Confirm ${right} ` : "Go on ";
    byId("grid-confirm").disabled = !length;
    byId("grid-later").disabled = this.total <= length;
  }

  async #alone(run) {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      await run();
    } catch (error) {
      showRefusal(error);
    } finally {
      this.isBusy = false;
    }
  }
}

async function main(session) {
  const grid = new Grid(session);
  bindGridKeys(grid);
  await grid.load();
}

runPage(main);
