/** Tiles: small pictures with what teacher, student and people say of them. */

import { photoUrl } from "./api.js";
import { element } from "./dom.js";
import { describeTruth, labelName, percent, tagsOf } from "./names.js";

const SPEAKERS = [
  { who: "people", letter: "P", title: "a person" },
  { who: "teacher", letter: "T", title: "the teacher" },
  { who: "student", letter: "S", title: "the student" },
];

/** The lines under a picture: who says which scene, and which attributes and objects. */
export function voiceLines(item) {
  const scenes = new Map();
  const tags = new Map();
  for (const speaker of SPEAKERS) {
    const truth = item[speaker.who];
    if (!truth) continue;
    append(scenes, truth.scene ?? "", speaker);
    for (const key of tagsOf(truth)) append(tags, key, speaker);
  }
  return [
    ...[...scenes].map(([key, speakers]) =>
      element("span", { className: "says" }, ...marks(speakers, item.scores[key]), element("span", { className: "name", textContent: key ? labelName(key) : "no scene" })),
    ),
    element(
      "span",
      { className: "tags" },
      ...[...tags].map(([key, speakers]) => element("span", { className: "tag" }, labelName(key), ...marks(speakers, item.scores[key]))),
    ),
  ];
}

/** The same in words, for a screen reader. */
export function describeVoices(item) {
  return SPEAKERS.filter(({ who }) => item[who])
    .map(({ who, title }) => {
      const { scene } = item[who];
      const sure = who === "student" && scene in item.scores ? `, ${percent(item.scores[scene])} sure of the scene` : "";
      return `${title}: ${describeTruth(item[who])}${sure}`;
    })
    .join("; ");
}

function append(map, key, speaker) {
  map.set(key, [...(map.get(key) ?? []), speaker]);
}

function marks(speakers, score) {
  return speakers.map(({ who, letter, title }) => {
    const sure = who === "student" && score !== undefined ? ` ${percent(score)}` : "";
    return element("span", { className: `mark is-${who}`, title: `${title}${sure}`, textContent: letter + sure });
  });
}

/**
 * One tile: a button with a picture and text lines.
 * @param {{image_id: string, rel_path: string}} item
 * @param {Node[]} lines the lines under the picture
 * @param {(event: Event) => void} onPress
 * @param {object} properties of the button
 * @param {(isShown: boolean) => void} onShown called when the picture is there, or cannot be shown
 * @param {Node[]} others beside the button
 */
export function makeTile(item, lines, onPress, properties, onShown, others = []) {
  const picture = element("img", { alt: "", decoding: "async", draggable: false, onload: () => onShown(true) });
  picture.addEventListener("error", () => {
    picture.replaceWith(element("span", { className: "broken", textContent: "cannot be shown" }));
    onShown(false);
  });
  picture.src = photoUrl(item.image_id, "320");
  const name = item.rel_path.slice(item.rel_path.lastIndexOf("/") + 1);
  const button = element(
    "button",
    { type: "button", className: "tile", title: item.rel_path, onclick: onPress, ...properties },
    element("span", { className: "frame" }, picture),
    element("span", { className: "words" }, ...lines, element("span", { className: "file", textContent: name })),
  );
  return element("li", {}, button, ...others);
}

/** Move the focus among tiles by arrow keys. */
export function moveFocus(list, key) {
  const tiles = [...list.querySelectorAll(".tile")];
  const at = tiles.indexOf(document.activeElement);
  if (at < 0) return tiles[0]?.focus();
  const columns = tiles.filter((tile) => tile.getBoundingClientRect().top === tiles[0].getBoundingClientRect().top).length;
  return tiles[at + { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key]]?.focus();
}
