/** Tiles: small pictures with name and labels. */

import { photoUrl } from "./api.js";
import { element } from "./dom.js";
import { labelName } from "./names.js";

/** The labels under a picture: scene, true attributes, objects. */
export function labelLines(scene, attributes, objects) {
  const tags = [
    ...attributes.map((key) => element("span", { className: "tag", textContent: labelName(key) })),
    ...objects.map((key) => element("span", { className: "tag is-object", textContent: labelName(key) })),
  ];
  return [
    element("span", { className: "says", textContent: scene ? labelName(scene) : "no scene" }),
    ...(tags.length ? [element("span", { className: "tags" }, ...tags)] : []),
  ];
}

/** A line with the file name. */
export function fileLine(path) {
  return element("span", { className: "file", textContent: path.slice(path.lastIndexOf("/") + 1) });
}

/**
 * One tile: a button with a picture and text lines.
 * @param {{image_id: string, rel_path: string}} item
 * @param {Node[]} lines the lines under the picture
 * @param {(event: Event) => void} onPress
 * @param {object} properties of the button
 * @param {() => void} onShown called when the picture is loaded
 */
export function makeTile(item, lines, onPress, properties = {}, onShown = () => {}) {
  const picture = element("img", { alt: "", decoding: "async", draggable: false, onload: onShown });
  picture.addEventListener("error", () => picture.replaceWith(element("span", { className: "broken", textContent: "cannot be shown" })));
  picture.src = photoUrl(item.image_id, "320");
  const button = element(
    "button",
    { type: "button", className: "tile", title: item.rel_path, onclick: onPress, ...properties },
    element("span", { className: "frame" }, picture),
    element("span", { className: "words" }, ...lines),
  );
  return element("li", {}, button);
}

/** Move the focus among tiles by arrow keys; returns whether it moved. */
export function moveFocus(list, key) {
  const tiles = [...list.querySelectorAll(".tile")];
  const at = tiles.indexOf(document.activeElement);
  if (at < 0) {
    tiles[0]?.focus();
    return tiles.length > 0;
  }
  const columns = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
  const to = at + { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  tiles[to]?.focus();
  return to in tiles;
}
