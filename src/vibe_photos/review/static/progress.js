/** The progress of the review, its speed, and how often the teacher was right. */

import { byId } from "./dom.js";
import { percent } from "./names.js";

let shown = { list: "measure", progress: null };

/** Show the progress of this queue from now on. */
export function showQueue(list) {
  shown = { ...shown, list };
  if (shown.progress) showProgress(shown.progress);
}

/** @param {{queued: number, audited: number, skipped: number, teachable: number, taught: number, per_hour: number|null, agreement: object|null, note: string}} progress */
export function showProgress(progress) {
  shown = { ...shown, progress };
  const { per_hour: perHour, agreement } = progress;
  const teaches = shown.list === "teach";
  const audited = teaches ? progress.taught : progress.audited;
  const queued = teaches ? Math.max(progress.teachable, audited) : progress.queued;
  const bar = byId("progress-bar");
  bar.max = Math.max(1, queued);
  bar.value = audited;
  byId("progress-count").textContent = teaches ? `${audited} taught` : `${audited} of ${queued}`;
  byId("progress-details").textContent = [
    perHour ? `${perHour.toLocaleString("en")} an hour` : null,
    perHour && queued > audited && !teaches ? timeLeft((queued - audited) / perHour) : null,
    agreement?.scenes && !teaches ? `teacher’s scene right ${percent(agreement.scenes_same, agreement.scenes)}` : null,
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
