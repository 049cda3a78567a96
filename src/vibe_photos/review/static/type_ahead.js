/** A text field that finds an object label by its name, its words or its place in the tree. */

import { element } from "./dom.js";
import { labelMeaning, labelName, labelPath } from "./names.js";

/**
 * The labels that match a text, best first; without a text all of them, in the order of the tree.
 * @param {{key: string, words: string[]}[]} labels
 */
export function findLabels(labels, text) {
  const sought = text.trim().toLowerCase().replaceAll("_", " ");
  if (!sought) return labels;
  return labels
    .map((label) => ({ label, rank: rankLabel(label, sought) }))
    .filter(({ rank }) => rank < Infinity)
    .sort((one, other) => one.rank - other.rank)
    .map(({ label }) => label);
}

function rankLabel({ key, words = [] }, sought) {
  const name = labelName(key).toLowerCase();
  const spoken = words.map((word) => word.replaceAll("_", " ").toLowerCase());
  if (name.startsWith(sought)) return name.length / 100;
  if (spoken.some((word) => word.startsWith(sought))) return 1;
  if (name.includes(sought)) return 2;
  if (spoken.some((word) => word.includes(sought))) return 3;
  return labelPath(key).includes(sought) ? 4 : Infinity;
}

export class TypeAhead {
  /**
   * @param {HTMLInputElement} input with role combobox
   * @param {HTMLElement} list the listbox it controls
   * @param {{labels: object[], onChoose: (key: string) => void, onEnter: () => void, onErase: () => void}} does
   *   `onEnter`: Enter with nothing typed; `onErase`: Backspace with nothing typed
   */
  constructor(input, list, does) {
    Object.assign(this, { input, list, does, found: [], active: -1 });
    input.addEventListener("input", () => this.#open());
    input.addEventListener("click", () => this.#open());
    input.addEventListener("blur", () => this.close());
    input.addEventListener("keydown", (event) => this.#press(event));
    list.addEventListener("pointerdown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => this.#choose(event.target.closest("[data-key]")?.dataset.key));
  }

  close() {
    this.list.hidden = true;
    this.active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  clear() {
    this.input.value = "";
    this.close();
  }

  /** Empty the field and remove the focus. */
  leave() {
    this.clear();
    this.input.blur();
  }

  #open() {
    this.found = findLabels(this.does.labels, this.input.value);
    this.list.replaceChildren(...this.found.map(({ key }, at) => optionFor(key, at)));
    if (!this.found.length) this.list.append(element("li", { className: "none", textContent: "No label has that name" }));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.#activate(this.input.value.trim() && this.found.length ? 0 : -1);
  }

  #activate(at) {
    this.active = at;
    this.input.removeAttribute("aria-activedescendant");
    for (const [each, option] of [...this.list.querySelectorAll("[role=option]")].entries()) {
      option.setAttribute("aria-selected", String(each === at));
      if (each !== at) continue;
      this.input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    }
  }

  #press(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) {
      if (this.list.hidden) this.#open();
      const count = this.found.length;
      if (count) this.#activate((Math.max(this.active, event.key === "ArrowUp" ? 0 : -1) + moves[event.key] + count) % count);
    } else if (event.key === "Enter") {
      if (this.active >= 0) this.#choose(this.found[this.active].key);
      else if (!this.input.value.trim() && !event.repeat) this.does.onEnter();
    } else if (event.key === "Escape") {
      this.leave();
    } else if (event.key === "Backspace" && !this.input.value) {
      this.does.onErase();
      return;
    } else {
      return;
    }
    event.preventDefault();
  }

  #choose(key) {
    if (!key) return;
    this.clear();
    this.does.onChoose(key);
  }
}

function optionFor(key, at) {
  return element(
    "li",
    { role: "option", id: `object-option-${at}`, "data-key": key, "aria-selected": "false", title: labelMeaning(key) },
    element("span", { textContent: labelName(key) }),
    element("small", { textContent: labelPath(key) }),
  );
}
