/** The label controls of one photo, with marks for the teacher's and the student's labels. */

import { byId, element, releaseFocus } from "./dom.js";
import { chooseScene, describeTruth, labelMeaning, labelName, labelPath, withAttribute, withWord } from "./labels.js";
import { TypeAhead } from "./type_ahead.js";

const ANSWERS = [
  { value: true, name: "yes" },
  { value: false, name: "no" },
  { value: null, name: "not judged" },
];

export class Panel {
  /**
   * @param {object} session scenes, attributes and objects of the taxonomy, and `hotkeys` by label key
   * @param {(edit: (truth: object) => object) => void} change edits the labels
   * @param {() => void} enter accepts them
   */
  constructor(session, change, enter) {
    this.session = session;
    this.change = change;
    this.scenes = new Map(session.scenes.map(({ key }) => [key, this.#sceneButton(key, session.hotkeys[key])]));
    byId("scenes").replaceChildren(...this.scenes.values());
    this.attributes = new Map(session.attributes.map(({ key }) => [key, this.#attributeRow(key, session.hotkeys[key])]));
    byId("attributes").replaceChildren(...[...this.attributes.values()].map(({ row }) => row));
    this.search = new TypeAhead(byId("object-search"), byId("object-options"), {
      labels: session.objects,
      onChoose: (key) => change((truth) => withWord(truth, "objects", key)),
      onPropose: (word) => change((truth) => withWord(truth, "proposed", word.toLowerCase())),
      onEnter: enter,
      onErase: () => change((truth) => (truth.objects.length ? withWord(truth, "objects", truth.objects.at(-1), false) : truth)),
    });
  }

  /** Show a truth, with marks for what the teacher and the student say, and the student's `scores` by label key. */
  show(truth, teacher, student, scores) {
    for (const [key, button] of this.scenes) {
      button.setAttribute("aria-pressed", String(truth.scene === key));
      showOpinions(button, teacher?.scene === key, student?.scene === key, scores[key]);
    }
    for (const [key, { row, answers }] of this.attributes) {
      const value = truth.attributes[key] ?? null;
      for (const [each, button] of answers) button.setAttribute("aria-pressed", String(value === each));
      const said = teacher?.attributes[key];
      showOpinions(row, said !== undefined && said !== value, key in (student?.attributes ?? {}), scores[key], [said, student?.attributes[key]]);
    }
    const offered = new Set([...(teacher?.objects ?? []), ...(student?.objects ?? [])].filter((key) => !truth.objects.includes(key)));
    const chips = [
      ...truth.objects.map((key) => this.#objectChip(key, true, teacher, student, scores)),
      ...[...offered].map((key) => this.#objectChip(key, false, teacher, student, scores)),
      ...truth.proposed.map((word) => this.#proposalChip(word)),
    ];
    byId("objects").replaceChildren(...(chips.length ? chips : [element("p", { className: "none", textContent: "No objects" })]));
  }

  /** Show each reviewer's decision if they disagree. */
  showReviewers(decisions) {
    byId("opinions").hidden = decisions.length === 0;
    byId("opinions-list").replaceChildren(
      ...decisions.flatMap(({ reviewer, truth }) => [
        element("dt", {}, element("bdi", { textContent: reviewer })),
        element("dd", { textContent: describeTruth(truth) }),
      ]),
    );
  }

  #objectChip(key, isThere, teacher, student, scores) {
    const chip = element(
      "button",
      {
        type: "button",
        className: isThere ? "chip" : "chip is-offered",
        title: labelMeaning(key) || labelPath(key),
        "aria-label": `${isThere ? "Remove" : "Add"} ${labelName(key)}`,
        "data-choice": "",
        onclick: () => this.change((truth) => withWord(truth, "objects", key, !isThere)),
      },
      element("span", { textContent: labelName(key) }),
      element("span", { className: "opinions" }),
      element("span", { className: "sign", textContent: isThere ? "×" : "+", "aria-hidden": "true" }),
    );
    showOpinions(chip, teacher?.objects.includes(key), student?.objects.includes(key), scores[key]);
    return chip;
  }

  #proposalChip(word) {
    const title = "Not a label yet: kept as a proposal (vibe-photos review --status)";
    const remove = () => this.change((truth) => withWord(truth, "proposed", word, false));
    return element(
      "button",
      { type: "button", className: "chip is-proposed", title, "aria-label": `Remove the proposal ${word}`, onclick: remove },
      element("span", { textContent: word }),
      element("small", { textContent: "proposed" }),
      element("span", { className: "sign", textContent: "×", "aria-hidden": "true" }),
    );
  }

  #sceneButton(key, shortcut) {
    const press = (event) => {
      releaseFocus(event);
      this.change((truth) => chooseScene(truth, key, this.session.attributes));
    };
    return element(
      "button",
      { type: "button", className: "choice", "data-choice": "", "data-scene": key, title: labelMeaning(key), onclick: press },
      shortcut ? element("kbd", { textContent: shortcut, "aria-hidden": "true" }) : null,
      element("span", { textContent: labelName(key) }),
      element("span", { className: "opinions" }),
    );
  }

  #attributeRow(key, shortcut) {
    const answers = new Map(ANSWERS.map(({ value, name }) => [value, this.#answerButton(key, value, name)]));
    const row = element(
      "div",
      { className: "attribute", role: "group", "aria-label": labelName(key), "data-attribute": key },
      shortcut ? element("kbd", { textContent: shortcut.toUpperCase(), "aria-hidden": "true" }) : null,
      element("span", { className: "name", textContent: labelName(key), title: labelMeaning(key) }),
      element("span", { className: "opinions" }),
      element("div", { className: "answers" }, ...answers.values()),
    );
    return { row, answers };
  }

  #answerButton(key, value, name) {
    const press = (event) => {
      releaseFocus(event);
      this.change((truth) => withAttribute(truth, key, value));
    };
    const shown = value === null ? "–" : name;
    return element(
      "button",
      { type: "button", "data-choice": "", "aria-label": `${labelName(key)}: ${name}`, title: name, onclick: press },
      element("span", { textContent: shown }),
    );
  }
}

/**
 * Show marks T and S (letters, not only colours) for teacher and student, with the student's probability in percent.
 * @param {boolean[]} [answers] the teacher's and the student's, for a control with yes and no
 */
function showOpinions(control, hasTeacher, hasStudent, score, answers) {
  const [teacher, student] = (answers ?? ["", ""]).map((answer) => (answers ? (answer ? " yes" : " no") : ""));
  const marks = [];
  if (hasTeacher) marks.push(makeMark("is-teacher", `T${teacher}`, `the teacher says${teacher || " so"}`));
  if (hasStudent) {
    const sure = score === undefined ? "" : ` ${Math.round(100 * (student === " no" ? 1 - score : score))}`;
    marks.push(makeMark("is-student", `S${student}${sure}`, `the student says${student || " so"}${sure && `,${sure} % sure`}`));
  }
  control.querySelector(".opinions").replaceChildren(...marks);
}

function makeMark(className, textContent, title) {
  return element("span", { className: `mark ${className}`, role: "img", "aria-label": title, title, textContent });
}
