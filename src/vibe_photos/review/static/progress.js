/** How far the audit is, how fast it goes, and how often the person says what the teacher said. */

import { byId } from "./dom.js";
import { percent } from "./names.js";

/** @param {{queued: number, audited: number, skipped: number, per_hour: number|null, agreement: object|null, note: string}} progress */
export function showProgress(progress) {
  const { queued, audited, per_hour: perHour, agreement } = progress;
  const bar = byId("progress-bar");
  bar.max = Math.max(1, queued);
  bar.value = audited;
  byId("progress-count").textContent = `${audited} of ${queued}`;
  byId("progress-details").textContent = [
    perHour ? `${perHour.toLocaleString("en")} an hour` : null,
    perHour && queued > audited ? timeLeft((queued - audited) / perHour) : null,
    agreement?.scenes ? `teacher’s scene right ${percent(agreement.scenes_same, agreement.scenes)}` : null,
  ]
    .filter(Boolean)
    .map((detail) => ` · ${detail}`)
    .join("");
  byId("progress").title = progress.note;
}

function timeLeft(hours) {
  const minutes = Math.ceil(60 * hours);
  return minutes < 90 ? `${minutes} min left` : `${Math.round(hours)} h left`;
}
