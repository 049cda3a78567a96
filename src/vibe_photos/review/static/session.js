/** The start of every page: load the session, and send unsaved decisions. */

import { showProblem } from "./announce.js";
import { get, Refused } from "./api.js";
import { byId, element } from "./dom.js";
import { assignHotkeys } from "./hotkeys.js";
import { learnNames } from "./names.js";
import { showProgress } from "./progress.js";
import { retry, sendUnsaved } from "./saving.js";

/** Load the session, then run the page; errors are shown. */
export async function runPage(main) {
  try {
    const session = await retry(() => get("session"));
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
