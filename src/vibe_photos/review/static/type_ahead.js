/** A text field that finds an object label by its name, its words or its place in the tree. */

import { element } from "./dom.js";
import { labelMeaning, labelName, labelPath } from "./labels.js";

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
   * @param {{labels: object[], onChoose: (key: string) => void, onPropose?: (word: string) => void, onEnter: () => void, onErase: () => void}} does
   *   `onPropose`: a word that is no label was chosen; without it no word can be; `onEnter`: Enter with nothing typed; `onErase`: Backspace with nothing typed
   */
  constructor(input, list, does) {
    Object.assign(this, { input, list, does, found: [], active: -1 });
    input.addEventListener("input", () => this.#open());
    input.addEventListener("click", () => this.#open());
    input.addEventListener("blur", () => this.close());
    input.addEventListener("keydown", (event) => this.#press(event));
    list.addEventListener("pointerdown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => this.#choose(this.found[event.target.closest("[data-at]")?.dataset.at]));
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
    const word = this.input.value.trim();
    if (this.does.onPropose && word && !this.does.labels.some((label) => isCalled(label, word))) this.found = [...this.found, { word }];
    this.list.replaceChildren(...this.found.map(optionFor));
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
      if (this.active >= 0) this.#choose(this.found[this.active]);
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

  #choose(found) {
    if (!found) return;
    this.clear();
    if (found.word) this.does.onPropose(found.word);
    else this.does.onChoose(found.key);
  }
}

/** Whether a label's name or one of its words is just this word. */
function isCalled({ key, words = [] }, word) {
  const plain = (text) => text.replaceAll("_", " ").toLowerCase();
  return [labelName(key), ...words].some((name) => plain(name) === plain(word));
}

function optionFor({ key, word }, at) {
  return element(
    "li",
    { role: "option", id: `object-option-${at}`, "data-at": at, "data-key": key, "aria-selected": "false", title: key ? labelMeaning(key) : "" },
    element("span", { textContent: key ? labelName(key) : `Propose “${word}”` }),
    element("small", { textContent: key ? labelPath(key) : "not a label yet" }),
  );
}
