/** Requests to the server. A decision is kept in the browser and sent again until the server has saved it. */

import { clearProblem, showProblem } from "./dom.js";
import { isSameTruth } from "./labels.js";

const TIMEOUT_MS = 15000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;

/** Errors that sending a decision again would not solve: it is malformed, or has an unknown label. */
const NOT_RETRIED = [400, 422];

/** The server did not answer: it was stopped, or the machine is asleep. */
class Unreachable extends Error {}

/** The server answered with an error: its `status` and sentence. */
export class Refused extends Error {
  constructor(status, body) {
    super(body.error ?? `the server answered ${status}`);
    this.status = status;
  }
}

/** What survives a reload or a stopped server, by photo. */
class Unsaved {
  /** @param {Storage} storage @param {string} name */
  constructor(storage, name) {
    this.storage = storage;
    this.prefix = `vibe-photos ${name} `;
  }

  read(imageId) {
    return JSON.parse(this.storage.getItem(this.prefix + imageId));
  }

  write(imageId, value) {
    this.storage.setItem(this.prefix + imageId, JSON.stringify(value));
  }

  remove(imageId) {
    this.storage.removeItem(this.prefix + imageId);
  }

  all() {
    const keys = Object.keys(this.storage).filter((key) => key.startsWith(this.prefix));
    return keys.map((key) => JSON.parse(this.storage.getItem(key)));
  }
}

/** Edits that are not accepted yet, in this tab only. */
export const edits = new Unsaved(sessionStorage, "edit");

/** Decisions that are not saved yet; any tab at this address may send them. */
export const decisions = new Unsaved(localStorage, "decision");

/** Ask for JSON; while the server does not answer, it is asked again. */
export function get(path, parameters = {}) {
  return retry(() => request(withQuery(path, parameters)));
}

/** The same for a reply that is no JSON. */
export function getBytes(path, parameters = {}) {
  return retry(() => request(withQuery(path, parameters), {}, (response) => response.arrayBuffer()));
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  const reply = await retry(() => request(path, { method: "POST", headers, body: JSON.stringify(body) }));
  clearProblem();
  return reply;
}

export function photoUrl(imageId, size) {
  return `photo/${encodeURIComponent(imageId)}?size=${size}`;
}

/** The server's reason why a photo cannot be shown. */
export async function readPhotoError(imageId) {
  try {
    const response = await fetch(photoUrl(imageId, "1600"), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.ok ? "The browser cannot draw this photo" : ((await response.json()).error ?? "This photo cannot be shown");
  } catch {
    return "The server does not answer";
  }
}

/**
 * Save decisions; returns the server's reply when they are on disk: `versions` of those, and photos that were `stale`.
 * @param {{image_id: string, version: number, after: object, is_flagged: boolean, note: string, seen: string[]}[]} several
 */
export async function saveDecisions(several) {
  const forget = () => several.forEach((decision) => decisions.remove(decision.image_id));
  several.forEach((decision) => decisions.write(decision.image_id, decision));
  try {
    const reply = await post("decisions", { decisions: several });
    forget();
    // A decision of our own is stale if the reply to it was lost.
    const own = reply.stale.filter((saved) => isOwn(saved, several.find((one) => one.image_id === saved.image_id)));
    own.forEach((saved) => (reply.versions[saved.image_id] = saved.version));
    return { ...reply, stale: reply.stale.filter((saved) => !own.includes(saved)) };
  } catch (error) {
    if (NOT_RETRIED.includes(error.status)) forget();
    throw error;
  }
}

function isOwn(saved, { version, after, is_flagged: isFlagged, note }) {
  const isSame = isSameTruth(saved.people, after) && saved.is_flagged === isFlagged && saved.note === note;
  return isSame && saved.version === version + 1;
}

/** Show the server's reason; errors of other kinds are thrown again. */
export function showRefusal(error) {
  if (!(error instanceof Refused)) throw error;
  if (error.status !== 403) showProblem("Not saved.", error.message);
}

function withQuery(path, parameters) {
  const asked = Object.entries(parameters).filter(([, value]) => value !== "");
  return asked.length ? `${path}?${new URLSearchParams(asked)}` : path;
}

async function request(path, options = {}, read = (response) => response.json()) {
  let response;
  try {
    response = await fetch(`api/${path}`, { ...options, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new Unreachable("the server does not answer");
  }
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
  return read(response);
}

/** Run a request, and again while the server does not answer. */
async function retry(run) {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      const reply = await run();
      if (wait > FIRST_WAIT_MS) clearProblem();
      return reply;
    } catch (error) {
      if (error instanceof Refused && error.status === 403) {
        showProblem(
          "This address is no longer valid.",
          "The server was started again: open the address that it printed. Your last decision is kept and is saved from there.",
        );
      }
      if (!(error instanceof Unreachable)) throw error;
      await waitOrTryNow(wait);
    }
  }
}

function waitOrTryNow(milliseconds) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    showProblem(
      "The server does not answer.",
      "Your decision is kept in this browser and is sent again until it is saved. " +
        "If you stopped it, run vibe-photos review again and open the address that it prints.",
      resolve,
    );
  });
}
