/** The labels of one photo: immutable `{scene, attributes, objects, proposed}`; `proposed` are words that are no labels yet. */

export const NOTHING = Object.freeze({ scene: null, attributes: {}, objects: [], proposed: [] });

/** No scene, no objects, and "no" for every attribute. */
export function withoutAny(attributes) {
  return { ...NOTHING, attributes: Object.fromEntries(attributes.map(({ key }) => [key, false])) };
}

/** @param {boolean|null} value null: not judged */
export function withAttribute(truth, key, value) {
  const { [key]: _, ...others } = truth.attributes;
  return { ...truth, attributes: value === null ? others : { ...others, [key]: value } };
}

/** Yes, then no, then not judged, then yes again. */
export function cycleAttribute(truth, key) {
  const value = truth.attributes[key];
  return withAttribute(truth, key, value === true ? false : value === false ? null : true);
}

export function withObject(truth, key) {
  return { ...truth, objects: [...new Set([...truth.objects, key])].sort() };
}

export function withoutObject(truth, key) {
  return { ...truth, objects: truth.objects.filter((each) => each !== key) };
}

export function withProposal(truth, word) {
  return { ...truth, proposed: [...new Set([...(truth.proposed ?? []), word.toLowerCase()])].sort() };
}

export function withoutProposal(truth, word) {
  return { ...truth, proposed: truth.proposed.filter((each) => each !== word) };
}

/**
 * Choose a scene, and update the attributes that follow the scene by rule, unless they already differed.
 * @param {{key: string, rule_scene?: string}[]} attributes
 */
export function chooseScene(truth, scene, attributes) {
  const followers = attributes.filter(
    ({ key, rule_scene: ruled }) => ruled && truth.attributes[key] === (truth.scene === ruled),
  );
  const chosen = { ...truth, scene };
  return followers.reduce((made, { key, rule_scene: ruled }) => withAttribute(made, key, scene === ruled), chosen);
}

export function isSameTruth(one, other) {
  return written(one) === written(other);
}

function written(truth) {
  if (!truth) return "";
  const judged = Object.entries(truth.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([truth.scene, judged, [...truth.objects].sort(), truth.proposed ?? []]);
}
