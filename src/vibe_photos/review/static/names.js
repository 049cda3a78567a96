/** What people read instead of label keys: names and definitions, as the taxonomy has them. */

const known = new Map();

/** Learn the labels of the session. */
export function learnNames({ scenes, attributes, objects }) {
  for (const label of [...scenes, ...attributes, ...objects]) known.set(label.key, label);
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

/** Describe a truth in a few words: scene, true attributes, objects. */
export function describeTruth(truth) {
  if (!truth) return "no labels";
  const holds = Object.keys(truth.attributes).filter((key) => truth.attributes[key]);
  const named = [...[truth.scene, ...holds, ...truth.objects].filter(Boolean).map(labelName), ...(truth.proposed ?? [])];
  return named.length ? named.join(", ") : "no labels";
}

export function percent(part, whole) {
  return `${Math.round((100 * part) / whole)} %`;
}
