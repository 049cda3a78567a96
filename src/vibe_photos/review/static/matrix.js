/** The confusion of two speakers: a table of scenes, and of each attribute and object how often they differ. */

import { byId, element, releaseFocus } from "./dom.js";
import { labelName } from "./labels.js";

const SAYS = { teacher: "Teacher says", student: "Student says", people: "People say" };
const NAMES = { teacher: "the teacher", student: "the student", people: "people" };

/**
 * @param {{scenes: string[], counts: number[][], flags: Object<string, number[]>}} matrix
 * @param {string[]} pair the two speakers
 * @param {string[]} says the conditions that are chosen
 * @param {(says: string[], about: string) => void} choose
 */
export function showMatrix({ scenes, counts, flags }, [one, other], says, choose) {
  const used = scenes.map((key, at) => at).filter((at) => counts[at].some(Boolean) || counts.some((row) => row[at]));
  const total = used.reduce((sum, row) => sum + used.reduce((part, column) => part + counts[row][column], 0), 0);
  const same = used.reduce((sum, at) => sum + counts[at][at], 0);
  byId("matrix-hint").textContent = total
    ? `They differ on ${(total - same).toLocaleString("en")} of ${total.toLocaleString("en")} photos.`
    : "There are no photos here of which both say something.";
  const said = (who, key) => `${who}:${key || "!scene"}`;
  const name = (key) => (key ? labelName(key) : "no scene");
  const isChosen = (conditions) => conditions.length === says.length && conditions.every((each) => says.includes(each));
  const press = (text, label, conditions, about, share) => {
    const button = element("button", {
      type: "button",
      textContent: text,
      title: label,
      "aria-label": label,
      "aria-pressed": String(isChosen(conditions)),
      onclick: (event) => {
        releaseFocus(event);
        choose(conditions, about);
      },
    });
    if (share !== undefined) button.style.setProperty("--share", share);
    return button;
  };
  const most = Math.max(1, ...used.flatMap((row) => used.filter((column) => column !== row).map((column) => counts[row][column])));
  const head = element(
    "tr",
    {},
    element("td", { className: "axis", textContent: total ? `${SAYS[one]} ↓` : "" }),
    ...used.map((at) =>
      element("th", { scope: "col" }, press(name(scenes[at]), `${NAMES[other]}: ${name(scenes[at])}`, [said(other, scenes[at])], "scene")),
    ),
  );
  const axis = element("tr", {}, element("td", {}), element("td", { className: "axis", colSpan: used.length || 1, textContent: total ? `${SAYS[other]} →` : "" }));
  const rows = used.map((row) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, press(name(scenes[row]), `${NAMES[one]}: ${name(scenes[row])}`, [said(one, scenes[row])], "scene")),
      ...used.map((column) => {
        const count = counts[row][column];
        const label = `${NAMES[one]}: ${name(scenes[row])}, ${NAMES[other]}: ${name(scenes[column])}, ${count}`;
        const cell = count ? press(String(count), label, [said(one, scenes[row]), said(other, scenes[column])], "scene", count / most) : "";
        return element("td", { className: row === column ? "is-same" : "" }, cell);
      }),
    ),
  );
  byId("matrix").replaceChildren(
    element("caption", { className: "unseen", textContent: `${NAMES[one]} by row, ${NAMES[other]} by column` }),
    element("thead", {}, axis, head),
    element("tbody", {}, ...rows),
  );
  showFlags(one, other, flags, press);
}

function showFlags(one, other, flags, press) {
  const columns = [
    ["both yes", (key) => [`${one}:${key}`, `${other}:${key}`], 0],
    [`only ${NAMES[one]}`, (key) => [`${one}:${key}`, `${other}:!${key}`], 1],
    [`only ${NAMES[other]}`, (key) => [`${one}:!${key}`, `${other}:${key}`], 2],
    ["both no", (key) => [`${one}:!${key}`, `${other}:!${key}`], 3],
  ];
  const most = Math.max(1, ...Object.values(flags).flatMap((counts) => [counts[1], counts[2]]));
  const rows = Object.entries(flags)
    .filter(([, counts]) => counts[0] + counts[1] + counts[2])
    .map(([key, counts]) =>
      element(
        "tr",
        {},
        element("th", { scope: "row", textContent: labelName(key), title: key }),
        ...columns.map(([title, conditions, at]) =>
          element(
            "td",
            { className: at === 1 || at === 2 ? "" : "is-same" },
            counts[at] ? press(counts[at].toLocaleString("en"), `${labelName(key)}, ${title}: ${counts[at]}`, conditions(key), key, at === 1 || at === 2 ? counts[at] / most : undefined) : "",
          ),
        ),
      ),
    );
  const head = element("tr", {}, element("td", {}), ...columns.map(([title]) => element("th", { scope: "col", textContent: title })));
  byId("flags").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
}
