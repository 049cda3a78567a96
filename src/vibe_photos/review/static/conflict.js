/** The dialog for a photo that was decided elsewhere in the meantime: shows both decisions, and the person chooses. */

import { byId, element } from "./dom.js";
import { labelName } from "./names.js";

/**
 * @param {{current: object|null, decided_by: string|null, is_flagged: boolean, note: string}} saved
 * @param {{after: object|null, is_flagged: boolean, note: string}} mine
 * @returns {Promise<"saved"|"mine"|null>} null if the dialog was closed
 */
export function chooseDecision(saved, mine) {
  const dialog = byId("conflict");
  byId("conflict-by").textContent = saved.decided_by
    ? `${saved.decided_by} decided it, perhaps in another tab.`
    : "It was changed in another tab.";
  byId("conflict-saved").replaceChildren(...describe(saved.current, saved));
  byId("conflict-mine").replaceChildren(...describe(mine.after, mine));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue || null), { once: true });
  });
}

/** Wire the dialog's two buttons; call it once. */
export function wireConflict() {
  const dialog = byId("conflict");
  byId("conflict-keep").addEventListener("click", () => dialog.close("saved"));
  byId("conflict-replace").addEventListener("click", () => dialog.close("mine"));
}

function describe(truth, { is_flagged: isFlagged, note }) {
  if (!truth) return [element("p", { textContent: "not decided" })];
  const judged = Object.entries(truth.attributes).map(([key, value]) => `${labelName(key)}: ${value ? "yes" : "no"}`);
  const lines = [
    ["Scene", truth.scene ? labelName(truth.scene) : "none"],
    ["Attributes", judged.join(", ") || "none judged"],
    ["Objects", [...truth.objects.map(labelName), ...(truth.proposed ?? [])].join(", ") || "none"],
    ...(isFlagged ? [["Flag", "flagged"]] : []),
    ...(note ? [["Note", note]] : []),
  ];
  return lines.flatMap(([term, text]) => [element("dt", { textContent: term }), element("dd", { textContent: text })]);
}
