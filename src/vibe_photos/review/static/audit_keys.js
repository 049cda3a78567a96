/** Keys and buttons of the review page. */

import { byId, wireButtons } from "./dom.js";
import { HELP_KEY, bindKeys } from "./keys.js";
import { labelName } from "./names.js";
import { chooseScene, cycleAttribute } from "./truth.js";

export function bindAuditKeys(audit) {
  bindKeys([
    { title: "This photo", bindings: [...labelBindings(audit), ...fieldBindings(audit)] },
    { title: "Go on", bindings: stepBindings(audit) },
    { title: "Zoom", bindings: lookBindings(audit) },
  ]);
  wireFields(audit);
}

function labelBindings(audit) {
  const { scenes, attributes, hotkeys } = audit.session;
  const bindLabel = (key, does, change) => ({
    keys: [hotkeys[key]],
    shown: hotkeys[key].toUpperCase(),
    does,
    run: () => audit.change(change()),
  });
  const hasKey = ({ key }) => key in hotkeys;
  return [
    ...scenes.filter(hasKey).map(({ key }) => bindLabel(key, labelName(key), () => chooseScene(audit.draft, key, attributes))),
    ...attributes
      .filter(hasKey)
      .map(({ key }) => bindLabel(key, `${labelName(key)}: yes, no, not judged`, () => cycleAttribute(audit.draft, key))),
  ];
}

function fieldBindings(audit) {
  const focus = (id) => () => byId(id).focus();
  return [
    { keys: ["o"], shown: "O", does: "find an object by its first letters; Enter adds it", run: focus("object-search") },
    { keys: ["n"], shown: "N", does: "write a note; Enter saves it", run: focus("note") },
    { keys: ["f"], shown: "F", does: "flag it, to find it again", run: () => audit.photo && audit.actions.flag() },
    { keys: ["s"], shown: "S", does: "show the student’s labels", run: () => audit.toggleStudent() },
  ];
}

function stepBindings(audit) {
  return [
    { keys: ["Enter"], shown: "Enter", does: "accept the labels as shown, save, next photo", run: () => audit.actions.accept() },
    { keys: ["u", "Ctrl+z"], shown: "U", does: "undo the edits, then the last decision, then the one before", run: () => audit.actions.undo() },
    { keys: ["k"], shown: "K", does: "skip: it comes back at the end", run: () => audit.photo && audit.actions.skip() },
    { keys: ["ArrowLeft"], shown: "←", does: "previous photo", run: () => audit.go(-1) },
    { keys: ["ArrowRight"], shown: "→", does: "the next photo, without a decision", run: () => audit.photo && audit.go(1) },
    { keys: ["l"], shown: "L", does: "more photos like this", run: () => audit.photo && byId("alike").click() },
    { keys: ["/"], shown: "/", does: "filter and search", run: () => audit.openFilter() },
    HELP_KEY,
  ];
}

function lookBindings({ stage: { zoom } }) {
  const pans = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] };
  return [
    { keys: ["z"], shown: "Z", does: "zoom in; again: the whole photo", run: () => zoom.toggle(null, null) },
    { keys: ["+", "="], shown: "+", does: "zoom in", run: () => zoom.in() },
    { keys: ["-"], shown: "-", does: "zoom out", run: () => zoom.out() },
    {
      keys: Object.keys(pans).map((key) => `Shift+${key}`),
      shown: "Shift ← → ↑ ↓",
      does: "move the picture (or drag it)",
      run: (event) => zoom.pan(...pans[event.key]),
    },
  ];
}

function wireFields(audit) {
  wireButtons({
    accept: () => audit.actions.accept(),
    undo: () => audit.actions.undo(),
    skip: () => audit.photo && audit.actions.skip(),
    "unshown-skip": () => audit.photo && audit.actions.skip(),
    flag: () => audit.photo && audit.actions.flag(),
    previous: () => audit.go(-1),
    student: () => audit.toggleStudent(),
    "done-undo": () => audit.actions.undo(),
    "done-filter": () => byId("filter-reset").click(),
  });
  const note = byId("note");
  note.addEventListener("change", () => audit.actions.note(note.value.trim()));
  note.addEventListener("keydown", (event) => {
    if (event.key === "Escape") note.value = audit.photo?.note ?? "";
    if (event.key === "Escape" || event.key === "Enter") note.blur();
  });
}
