/** Save decisions: each is kept in the browser and sent again until the server has saved it. */

import { announce, clearProblem, showProblem } from "./announce.js";
import { post, Refused, Unreachable } from "./api.js";
import { showProgress } from "./progress.js";
import { isSameTruth } from "./truth.js";
import { decisions, edits } from "./unsaved.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;

/** Errors that a retry would not solve: malformed, decided elsewhere, an unknown label. */
const NOT_RETRIED = [400, 409, 422];

/**
 * Save one decision; returns the server's reply when it is on disk.
 * A conflict or another error is thrown as `Refused`; while the server does not answer, it retries.
 * @param {{image_id: string, version: number, after: object|null, is_flagged: boolean, note: string, seen: string[]}} decision
 */
export async function saveDecision(decision) {
  decisions.write(decision.image_id, decision);
  try {
    const reply = await retry(() => post("decision", decision));
    decisions.remove(decision.image_id);
    return reply;
  } catch (error) {
    if (isOwnDecision(error, decision)) {
      decisions.remove(decision.image_id);
      return { version: error.body.version, progress: null };
    }
    if (NOT_RETRIED.includes(error.status)) decisions.remove(decision.image_id);
    throw error;
  }
}

/**
 * Save several decisions at once; returns the server's reply: `versions` of those on disk, and those that were `stale`.
 * @param {object[]} several as for `saveDecision`
 */
export async function saveDecisions(several) {
  const forget = () => several.forEach((decision) => decisions.remove(decision.image_id));
  several.forEach((decision) => decisions.write(decision.image_id, decision));
  try {
    const reply = await retry(() => post("decisions", { decisions: several }));
    forget();
    return reply;
  } catch (error) {
    if (NOT_RETRIED.includes(error.status)) forget();
    throw error;
  }
}

/** Send the decisions that an earlier page could not save. */
export async function sendUnsaved() {
  for (const decision of decisions.all()) {
    try {
      const { progress } = await saveDecision(decision);
      if (progress) showProgress(progress);
      announce("A decision that was kept in this browser is saved now");
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 403) throw error;
      // It belongs to another library that was served at this port before.
      if (error.status === 404) continue;
      if (error.status === 409) edits.write(decision.image_id, { truth: decision.after, version: decision.version });
      announce(`A decision that was kept in this browser is not saved: ${error.message}`);
    }
  }
}

/** Run a request, and retry while the server does not answer. */
export async function retry(run) {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      const reply = await run();
      clearProblem();
      return reply;
    } catch (error) {
      if (error instanceof Refused && error.status === 403) showNewAddress();
      if (!(error instanceof Unreachable)) throw error;
      await waitOrTryNow(wait);
    }
  }
}

/** Show the server's reason; errors of other kinds are thrown again. */
export function showRefusal(error) {
  if (!(error instanceof Refused)) throw error;
  if (error.status !== 403) showProblem("Not saved.", error.message);
}

/** Whether the conflict is with our own decision, whose reply was lost. */
function isOwnDecision(error, decision) {
  if (!(error instanceof Refused) || error.status !== 409) return false;
  const saved = error.body;
  return (
    saved.version === decision.version + 1 &&
    isSameTruth(saved.current, decision.after) &&
    saved.is_flagged === decision.is_flagged &&
    saved.note === decision.note
  );
}

function waitOrTryNow(milliseconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const tryNow = () => {
      clearTimeout(timer);
      resolve();
    };
    showProblem(
      "The server does not answer.",
      "Your decision is kept in this browser and is sent again until it is saved. " +
        "If you stopped it, run vibe-photos review again and open the address that it prints.",
      { label: "Try now", run: tryNow },
    );
  });
}

function showNewAddress() {
  showProblem(
    "This address is no longer valid.",
    "The server was started again: open the address that it printed. Your last decision is kept and is saved from there.",
  );
}
