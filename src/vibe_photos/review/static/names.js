/** What people read instead of label keys: names and definitions, as the taxonomy has them. */

const known = new Map();

/** Learn the labels of the session. */
export function learnNames(labels) {
  for (const label of labels) known.set(label.key, label);
}

/** The label's name; that of a key that is no label any more is made of the key. */
export function labelName(key) {
  if (known.has(key)) return known.get(key).name;
  const last = key.slice(key.lastIndexOf(".") + 1).replace(/^(has|is)_/, "").replaceAll("_", " ");
  return last.charAt(0).toUpperCase() + last.slice(1);
}

/** One sentence: what the label means and what it does not; empty if nobody defined it. */
export function labelMeaning(key) {
  return known.get(key)?.means ?? "";
}

/** Where the label stands in the tree: `object.electronics.peripheral.mouse` is in "electronics › peripheral". */
export function labelPath(key) {
  return key.split(".").slice(1, -1).join(" › ").replaceAll("_", " ");
}

/** The label's name, and where it stands in the tree. */
export function labelTitle(key) {
  const path = labelPath(key);
  return path ? `${labelName(key)} (${path})` : labelName(key);
}

/** The true attributes and the objects of a truth. */
export function tagsOf({ attributes, objects }) {
  return [...Object.keys(attributes).filter((key) => attributes[key]), ...objects];
}

/** Describe a truth in a few words: scene, true attributes, objects. */
export function describeTruth(truth) {
  if (!truth) return "no labels";
  const keys = truth.scene ? [truth.scene, ...tagsOf(truth)] : tagsOf(truth);
  return [...keys.map(labelName), ...(truth.proposed ?? [])].join(", ") || "no labels";
}

export function sayPhotos(count) {
  return `${count.toLocaleString("en")} ${count === 1 ? "photo" : "photos"}`;
}

export function percent(part, whole = 1) {
  return `${Math.round((100 * part) / whole)} %`;
}
