/** Assign a key to each scene (digits) and attribute (the first free letter of its name). */

import { labelName } from "./names.js";

const DIGITS = "1234567890";
const TAKEN = "fklnosuxz";

/**
 * @param {{scenes: {key: string}[], attributes: {key: string}[]}} labels
 * @returns {Object<string, string>} keys by label key; labels without a free key are left out
 */
export function assignHotkeys({ scenes, attributes }) {
  const hotkeys = {};
  scenes.slice(0, DIGITS.length).forEach(({ key }, at) => (hotkeys[key] = DIGITS[at]));
  const free = new Set([..."abcdefghijklmnopqrstuvwxyz"].filter((letter) => !TAKEN.includes(letter)));
  for (const { key } of attributes) {
    const letter = [...labelName(key).toLowerCase(), ...free].find((each) => free.has(each));
    if (letter === undefined) break;
    free.delete(letter);
    hotkeys[key] = letter;
  }
  return hotkeys;
}
