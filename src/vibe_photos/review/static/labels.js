/**
 * Labels: their names, their keys on the keyboard, and the labels of one photo, `{scene, attributes, objects, proposed}`.
 * What nobody judged is null (scene, objects) or absent (an attribute).
 */

const DIGITS = "1234567890";
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
/** Letters that do something else. */
const TAKEN = "fklnosuxz";

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

/**
 * Give a key to each scene (digits) and attribute (the first free letter of its name).
 * @returns {Object<string, string>} keys by label key; labels without a free key are left out
 */
export function assignHotkeys({ scenes, attributes }) {
  const hotkeys = {};
  scenes.slice(0, DIGITS.length).forEach(({ key }, at) => (hotkeys[key] = DIGITS[at]));
  const free = new Set([...LETTERS].filter((letter) => !TAKEN.includes(letter)));
  for (const { key } of attributes) {
    const letter = [...labelName(key).toLowerCase(), ...free].find((each) => free.has(each));
    if (letter === undefined) break;
    free.delete(letter);
    hotkeys[key] = letter;
  }
  return hotkeys;
}

export const NOTHING = Object.freeze({ scene: null, attributes: {}, objects: [], proposed: [] });
export const UNJUDGED = Object.freeze({ ...NOTHING, objects: null });

/** No scene, no objects, and "no" for every attribute. */
export function withoutAny(attributes) {
  return { ...NOTHING, attributes: Object.fromEntries(attributes.map(({ key }) => [key, false])) };
}

/** @param {boolean|null} value null: not judged */
export function withAttribute(truth, key, value) {
  const { [key]: _, ...others } = truth.attributes;
  return { ...truth, attributes: value === null ? others : { ...others, [key]: value } };
}

/** First the other of yes and no, then not judged, then as it was filled in. */
export function cycleAttribute(truth, key, filled) {
  const [value, first] = [truth, filled].map(({ attributes }) => attributes[key] ?? null);
  const values = first === null ? [null, true, false] : [first, !first, null];
  return withAttribute(truth, key, values[(values.indexOf(value) + 1) % 3]);
}

/** A person's labels; those that the grid set alone, with the teacher's others, as they follow the person's scene by rule. */
export function fillIn(person, teacher, attributes) {
  if (person.scene && person.objects) return person;
  const said = teacher ?? NOTHING;
  const others = person.scene ? chooseScene(said, person.scene, attributes) : said;
  return { ...person, scene: others.scene, attributes: { ...others.attributes, ...person.attributes }, objects: person.objects ?? others.objects };
}

/**
 * What a person says of a photo with one label set. On a photo that teaches nobody judged the others: they stay the
 * teacher's. A measured photo is judged whole, as its tile shows it.
 */
export function setLabel({ people, teacher, purpose }, key, value, attributes) {
  const truth = people ?? (purpose === "measure" ? (teacher ?? withoutAny(attributes)) : UNJUDGED);
  if (key.startsWith("scene.")) return chooseScene(truth, key, attributes);
  if (key.startsWith("attr.")) return withAttribute(truth, key, value);
  return withWord({ ...truth, objects: truth.objects ?? teacher?.objects ?? [] }, "objects", key, value);
}

/**
 * What a person says by confirming what the teacher or the student says about `scene` or a label; null if that is nothing.
 * All of the teacher's labels, if nobody has judged a measured photo, or without `about`.
 */
export function confirmLabel(item, whose, about, attributes) {
  const said = item[whose];
  if (whose === "teacher" && (!about || (item.purpose === "measure" && !item.people))) return said;
  if (about === "scene") return said?.scene ? setLabel(item, said.scene, true, attributes) : null;
  const says = about.startsWith("attr.") ? said?.attributes[about] : said?.objects.includes(about);
  return says === undefined ? null : setLabel(item, about, says, attributes);
}

/** Add an object or a proposed word, or take it away. `field`: objects or proposed. */
export function withWord(truth, field, word, isThere = true) {
  const others = truth[field].filter((each) => each !== word);
  return { ...truth, [field]: isThere ? [...others, word].sort() : others };
}

/**
 * Choose a scene, and update the attributes that follow the scene by rule, unless they already differed.
 * @param {{key: string, rule_scene?: string}[]} attributes
 */
export function chooseScene(truth, scene, attributes) {
  const followers = attributes.filter(({ key, rule_scene: ruled }) => ruled && truth.attributes[key] === (truth.scene === ruled));
  return followers.reduce((made, { key, rule_scene: ruled }) => withAttribute(made, key, scene === ruled), { ...truth, scene });
}

export function isSameTruth(one, other) {
  const write = ({ scene, attributes, objects, proposed }) => JSON.stringify([scene, Object.entries(attributes).sort(), objects && [...objects].sort(), proposed]);
  return one && other ? write(one) === write(other) : !one && !other;
}

/** The true attributes and the objects of a truth. */
export function tagsOf({ attributes, objects }) {
  return [...Object.keys(attributes).filter((key) => attributes[key]), ...(objects ?? [])];
}

/** Describe a truth in a few words: scene, true attributes, objects. */
export function describeTruth(truth) {
  if (!truth) return "no labels";
  const keys = truth.scene ? [truth.scene, ...tagsOf(truth)] : tagsOf(truth);
  return [...keys.map(labelName), ...truth.proposed].join(", ") || "no labels";
}

export function sayPhotos(count) {
  return `${count.toLocaleString("en")} ${count === 1 ? "photo" : "photos"}`;
}

export function percent(share) {
  return `${Math.round(100 * share)} %`;
}
