/** What every page has: its start, its keys (the help is made from the same table), and the progress. */

import { decisions, edits, get, Refused, saveDecisions, showRefusal } from "./api.js";
import { announce, byId, element, showProblem } from "./dom.js";
import { assignHotkeys, learnNames, percent } from "./labels.js";

/** On fewer photos a percentage says nothing. */
const FEWEST_SCENES = 20;

let running = 0;

/** Load the session, send what an earlier page could not save, then run the page; errors are shown. */
export async function runPage(main) {
  try {
    const session = await get("session");
    session.levels = [["Scenes", session.scenes], ["Attributes", session.attributes], ["Objects", session.objects]];
    session.labels = session.levels.flatMap(([, labels]) => labels);
    learnNames(session.labels);
    showMeanings(session.levels);
    session.hotkeys = assignHotkeys(session);
    showProgress(session.progress);
    await sendUnsaved();
    await main(session);
  } catch (error) {
    const isShown = error instanceof Refused && error.status === 403;
    if (!isShown) showProblem("Something went wrong.", `${error.message}. Reload the page.`);
  }
}

async function sendUnsaved() {
  for (const decision of decisions.all()) {
    try {
      const { progress, stale } = await saveDecisions([decision]);
      showProgress(progress);
      if (stale.length) edits.write(decision.image_id, { truth: decision.after, version: decision.version });
      announce(`A decision that was kept in this browser is ${stale.length ? "not saved: the photo was decided in the meantime" : "saved now"}`);
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 403) throw error;
      // 404: it belongs to another library that was served at this port before.
      if (error.status !== 404) announce(`A decision that was kept in this browser is not saved: ${error.message}`);
    }
  }
}

/** Run something and mark the page as busy meanwhile; show the server's reason if it refuses. */
export async function runBusily(run) {
  running += 1;
  document.body.setAttribute("aria-busy", "true");
  try {
    await run();
  } catch (error) {
    showRefusal(error);
  } finally {
    running -= 1;
    if (!running) document.body.removeAttribute("aria-busy");
  }
}

/** List in the help what every label means. */
function showMeanings(levels) {
  byId("help-labels").replaceChildren(
    ...levels.map(([title, labels]) =>
      element(
        "details",
        {},
        element("summary", { textContent: `${title}: what they mean` }),
        element("dl", {}, ...labels.flatMap(({ name, means }) => [
          element("dt", { textContent: name }),
          element("dd", { textContent: means || "not defined yet" }),
        ])),
      ),
    ),
  );
}

/**
 * Listen for the keys, except while the person types, and list them in the help.
 * @param {Object<string, {keys: string[], shown: string, does: string, run: (event: KeyboardEvent) => void}[]>} groups by title
 */
export function bindKeys(groups) {
  const byKey = new Map();
  for (const binding of Object.values(groups).flat()) binding.keys.forEach((key) => byKey.set(key, binding));
  document.addEventListener("keydown", (event) => {
    const binding = byKey.get(keyName(event));
    if (binding === undefined || isTakenElsewhere(event)) return;
    event.preventDefault();
    if (!(event.repeat && event.key === "Enter")) binding.run(event);
  });
  byId("help-keys").replaceChildren(
    ...Object.entries(groups).map(([title, bindings]) =>
      element(
        "section",
        {},
        element("h3", { textContent: title }),
        element("dl", {}, ...bindings.flatMap(({ shown, does }) => [keyCaps(shown), element("dd", { textContent: does })])),
      ),
    ),
  );
  byId("help-button").addEventListener("click", HELP_KEY.run);
}

export const HELP_KEY = { keys: ["?"], shown: "?", does: "this help", run: () => byId("help").showModal() };

/** The keys of scenes and attributes. @param {(key: string) => void} run */
export function labelBindings({ scenes, attributes, hotkeys }, run, describe) {
  return [...scenes, ...attributes]
    .filter(({ key }) => key in hotkeys)
    .map(({ key }) => ({ keys: [hotkeys[key]], shown: hotkeys[key].toUpperCase(), does: describe(key), run: () => run(key) }));
}

function keyName(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.altKey) return "";
  return event.ctrlKey || event.metaKey ? `Ctrl+${key}` : event.shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
}

/** Whether the key belongs to a text field, an open dialog or a focused control, and not to the page. */
function isTakenElsewhere(event) {
  const target = event.target;
  if (document.querySelector("dialog[open]") || target.matches("input, textarea, select")) return true;
  if (event.key === " ") return target.matches("button, a, summary");
  return event.key === "Enter" && target.matches("a, summary, button:not([data-choice])");
}

function keyCaps(shown) {
  return element("dt", {}, ...shown.split(" ").map((key) => element("kbd", { textContent: key })));
}

let shown = { list: "measure", progress: null };

/** Show the progress of this queue from now on. */
export function showQueue(list) {
  shown.list = list;
  showProgress(shown.progress);
}

/** @param {{queued, audited, teachable, taught, scenes, scenes_same: number, per_hour: number|null, changed: string}} progress */
export function showProgress(progress) {
  shown.progress = progress;
  const { per_hour: perHour, scenes, scenes_same: same } = progress;
  const teaches = shown.list === "teach";
  const audited = teaches ? progress.taught : progress.audited;
  const queued = teaches ? Math.max(progress.teachable, audited) : progress.queued;
  byId("progress-bar").max = Math.max(1, queued);
  byId("progress-bar").value = audited;
  byId("progress-count").textContent = `${audited} of ${queued}${teaches ? " taught" : ""}`;
  byId("progress").title = `${teaches ? "of the photos that may train; " : ""}your answers are used at the next dvc repro`;
  byId("changed").hidden = !progress.changed;
  byId("changed").textContent = `${progress.changed}: restart vibe-photos review`;
  const details = [
    perHour ? `${perHour.toLocaleString("en")} an hour` : "",
    perHour && queued > audited && !teaches ? timeLeft((queued - audited) / perHour) : "",
    scenes >= FEWEST_SCENES && !teaches ? `teacher’s scene right ${percent(same / scenes)}` : "",
  ];
  byId("progress-details").textContent = details.filter(Boolean).map((detail) => ` · ${detail}`).join("");
}

function timeLeft(hours) {
  const minutes = Math.ceil(60 * hours);
  return minutes < 90 ? `${minutes} min left` : `${Math.round(hours)} h left`;
}
