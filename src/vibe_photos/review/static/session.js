/** How every page begins: who reviews, which labels there are, and what an earlier page left unsaved. */

import { showProblem } from "./announce.js";
import { get, Refused } from "./api.js";
import { assignHotkeys } from "./hotkeys.js";
import { showProgress } from "./progress.js";
import { insist, sendKept } from "./saving.js";

/** Open the page's session, then run it; what goes wrong on the way is said. */
export async function runPage(main) {
  try {
    const session = await insist(() => get("session"));
    session.hotkeys = assignHotkeys(session);
    showProgress(session.progress);
    await sendKept();
    await main(session);
  } catch (error) {
    const isSaid = error instanceof Refused && error.status === 403;
    if (!isSaid) showProblem("Something went wrong.", `${error.message}. Reload the page.`);
  }
}
