/** Display names: `object.electronics.peripheral.mouse` is "Mouse", in "electronics › peripheral". */

export function labelName(key) {
  const last = key.slice(key.lastIndexOf(".") + 1).replace(/^(has|is)_/, "").replaceAll("_", " ");
  return last.charAt(0).toUpperCase() + last.slice(1);
}

export function labelPath(key) {
  return key.split(".").slice(1, -1).join(" › ").replaceAll("_", " ");
}

/** Describe a truth in a few words: scene, true attributes, objects. */
export function describeTruth(truth) {
  if (!truth) return "no labels";
  const holds = Object.keys(truth.attributes).filter((key) => truth.attributes[key]);
  const named = [truth.scene, ...holds, ...truth.objects].filter(Boolean).map(labelName);
  return named.length ? named.join(", ") : "no labels";
}

export function percent(part, whole) {
  return `${Math.round((100 * part) / whole)} %`;
}
