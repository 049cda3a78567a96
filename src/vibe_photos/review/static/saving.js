/** A decision on its way to the disk: kept in the browser, and sent again until the server has it. */

import { announce, clearProblem, showProblem } from "./announce.js";
import { post, Refused, Unreachable } from "./api.js";
import { showProgress } from "./progress.js";
import { isSameTruth } from "./truth.js";
import { decisions, edits } from "./unsaved.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;

/** Refusals that sending the same again would not change: malformed, decided elsewhere, a label that is gone. */
const HOPELESS = [400, 409, 422];

/**
 * Save one decision; returns the server's reply when it is on disk.
 * A conflict or another refusal is thrown as `Refused`; a server that is gone is waited for.
 * @param {{image_id: string, version: number, after: object|null, is_flagged: boolean, note: string, seen: string[]}} decision
 */
export async function saveDecision(decision) {
  decisions.write(decision.image_id, decision);
  try {
    const reply = await insist(() => post("decision", decision));
    decisions.remove(decision.image_id);
    return reply;
  } catch (error) {
    if (isOurOwn(error, decision)) {
      decisions.remove(decision.image_id);
      return { version: error.body.version, progress: null };
    }
    if (HOPELESS.includes(error.status)) decisions.remove(decision.image_id);
    throw error;
  }
}

/**
 * Save several decisions at once; returns the server's reply: `versions` of those on disk, and those that were `stale`.
 * @param {object[]} several as for `saveDecision`
 */
export async function saveDecisions(several) {
  several.forEach((decision) => decisions.write(decision.image_id, decision));
  const reply = await insist(() => post("decisions", { decisions: several }));
  several.forEach((decision) => decisions.remove(decision.image_id));
  return reply;
}

/** Bring decisions to the disk that an earlier page or server did not. */
export async function sendKept() {
  for (const decision of decisions.all()) {
    try {
      const { progress } = await saveDecision(decision);
      if (progress) showProgress(progress);
      announce("A decision that was kept here is saved now");
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 403) throw error;
      // Of another library that was served at this port: it waits for that one.
      if (error.status === 404) continue;
      if (error.status === 409) edits.write(decision.image_id, { truth: decision.after, version: decision.version });
      announce(`A decision that was kept here is not saved: ${error.message}`);
    }
  }
}

/** Do something on the server, again and again while it does not answer. */
export async function insist(run) {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      const reply = await run();
      clearProblem();
      return reply;
    } catch (error) {
      if (error instanceof Refused && error.status === 403) tellOfNewAddress();
      if (!(error instanceof Unreachable)) throw error;
      await waitOrTryNow(wait);
    }
  }
}

/** Say why something was refused, until it succeeds; anything but a refusal is a mistake and goes on. */
export function tellRefusal(error) {
  if (!(error instanceof Refused)) throw error;
  if (error.status !== 403) showProblem("Not saved.", error.message);
}

/** A reply that was lost on its way back: the server has exactly what we send again. */
function isOurOwn(error, decision) {
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
      "What you decided is kept here and is sent again until it is saved. " +
        "If you stopped it, run vibe-photos review again and open the address that it prints.",
      { label: "Try now", run: tryNow },
    );
  });
}

function tellOfNewAddress() {
  showProblem(
    "This address is no longer valid.",
    "The server was started again: open the address that it printed. What you decided last is kept and is saved from there.",
  );
}
