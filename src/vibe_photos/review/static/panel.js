/** The label controls of one photo, with marks for the teacher's and the student's labels. */

import { byId, element, releaseFocus } from "./dom.js";
import { describeTruth, labelMeaning, labelName, labelPath } from "./names.js";
import { TypeAhead } from "./type_ahead.js";

const ANSWERS = [
  { value: true, name: "yes" },
  { value: false, name: "no" },
  { value: null, name: "not judged" },
];

export class Panel {
  /**
   * @param {object} session scenes, attributes and objects of the taxonomy, and `hotkeys` by label key
   * @param {{scene, attribute, addObject, removeObject, propose, unpropose, enter}} does the actions
   */
  constructor(session, does) {
    this.does = does;
    this.scenes = new Map(session.scenes.map(({ key }) => [key, this.#sceneButton(key, session.hotkeys[key])]));
    byId("scenes").replaceChildren(...this.scenes.values());
    this.attributes = new Map(session.attributes.map(({ key }) => [key, this.#attributeRow(key, session.hotkeys[key])]));
    byId("attributes").replaceChildren(...[...this.attributes.values()].map(({ row }) => row));
    this.shownObjects = [];
    this.search = new TypeAhead(byId("object-search"), byId("object-options"), {
      labels: session.objects,
      onChoose: does.addObject,
      onPropose: does.propose,
      onEnter: does.enter,
      onErase: () => this.shownObjects.length && does.removeObject(this.shownObjects.at(-1)),
    });
  }

  /**
   * Show a truth, with marks for the teacher's and the student's labels.
   * @param {object} truth
   * @param {object|null} teacher the teacher's truth
   * @param {Map<string, {score: number, value: boolean}>|null} student by label key; null: hidden
   */
  show(truth, teacher, student) {
    for (const [key, button] of this.scenes) {
      button.setAttribute("aria-pressed", String(truth.scene === key));
      const said = student?.get(key);
      showOpinions(button, teacher?.scene === key, said?.value ? said : undefined);
    }
    for (const [key, { row, answers }] of this.attributes) {
      const value = truth.attributes[key] ?? null;
      for (const [each, button] of answers) button.setAttribute("aria-pressed", String(value === each));
      const said = teacher?.attributes[key];
      showOpinions(row, said !== undefined && said !== value, student?.get(key), said);
    }
    this.#showObjects(truth, teacher, student);
  }

  /** Show each reviewer's decision if they disagree. */
  showReviewers(opinions) {
    byId("opinions").hidden = opinions.length === 0;
    byId("opinions-list").replaceChildren(
      ...opinions.flatMap(({ reviewer, truth }) => [
        element("dt", {}, element("bdi", { textContent: reviewer })),
        element("dd", { textContent: describeTruth(truth) }),
      ]),
    );
  }

  #showObjects(truth, teacher, student) {
    this.shownObjects = truth.objects;
    const chips = truth.objects.map((key) =>
      this.#objectChip(key, "chip", `Remove ${labelName(key)}`, "×", this.does.removeObject, teacher, student),
    );
    const teachers = teacher ? teacher.objects : [];
    const students = student ? [...student].filter(([key, said]) => key.startsWith("object.") && said.value).map(([key]) => key) : [];
    const offered = [...new Set([...teachers, ...students])].filter((key) => !truth.objects.includes(key));
    const offers = offered.map((key) =>
      this.#objectChip(key, "chip is-offered", `Add ${labelName(key)}`, "+", this.does.addObject, teacher, student),
    );
    chips.push(...(truth.proposed ?? []).map((word) => this.#proposalChip(word)));
    const none = element("p", { className: "none", textContent: "No objects" });
    byId("objects").replaceChildren(...(chips.length + offers.length ? [...chips, ...offers] : [none]));
  }

  #objectChip(key, className, name, sign, run, teacher, student) {
    const said = student?.get(key);
    const chip = element(
      "button",
      { type: "button", className, title: labelMeaning(key) || labelPath(key), "aria-label": name, "data-choice": "", onclick: () => run(key) },
      element("span", { textContent: labelName(key) }),
      element("span", { className: "opinions" }),
      element("span", { className: "sign", textContent: sign, "aria-hidden": "true" }),
    );
    showOpinions(chip, teacher?.objects.includes(key), said?.value ? said : undefined);
    return chip;
  }

  #proposalChip(word) {
    const title = "Not a label yet: kept as a proposal (vibe-photos review --status)";
    return element(
      "button",
      { type: "button", className: "chip is-proposed", title, "aria-label": `Remove the proposal ${word}`, onclick: () => this.does.unpropose(word) },
      element("span", { textContent: word }),
      element("small", { textContent: "proposed" }),
      element("span", { className: "sign", textContent: "×", "aria-hidden": "true" }),
    );
  }

  #sceneButton(key, shortcut) {
    const press = (event) => {
      releaseFocus(event);
      this.does.scene(key);
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
      this.does.attribute(key, value);
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
 * @param {boolean|undefined} answer the teacher's, for a control with yes and no
 */
function showOpinions(control, isTeachers, said, answer) {
  const isAnswer = control.matches(".attribute");
  const yesOrNo = (value) => (isAnswer ? (value ? " yes" : " no") : "");
  const marks = [];
  if (isTeachers) marks.push(makeMark("is-teacher", `T${yesOrNo(answer)}`, `the teacher says${yesOrNo(answer) || " so"}`));
  if (said) {
    const sure = Math.round(100 * (said.value ? said.score : 1 - said.score));
    const title = `the student says${yesOrNo(said.value) || " so"}, ${sure} % sure`;
    marks.push(makeMark("is-student", `S${yesOrNo(said.value)} ${sure}`, title));
  }
  control.querySelector(".opinions").replaceChildren(...marks);
}

function makeMark(className, textContent, title) {
  return element("span", { className: `mark ${className}`, role: "img", "aria-label": title, title: title, textContent });
}
