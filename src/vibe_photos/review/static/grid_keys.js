/** Keys and buttons of the grid. */

import { byId, releaseFocus } from "./dom.js";
import { HELP_KEY, bindKeys } from "./keys.js";
import { labelName } from "./names.js";
import { moveFocus } from "./tiles.js";

export function bindGridKeys(grid) {
  const { scenes, hotkeys } = grid.session;
  const arrows = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];
  const markFocused = () => document.activeElement.matches(".tile") && document.activeElement.click();
  bindKeys([
    {
      title: "These photos",
      bindings: [
        { keys: ["Enter"], shown: "Enter", does: "confirm all that are not marked", run: () => grid.confirm() },
        { keys: arrows, shown: "← → ↑ ↓", does: "go from photo to photo", run: (event) => moveFocus(byId("grid-tiles"), event.key) },
        { keys: ["x"], shown: "X", does: "mark or unmark the focused photo (or Space)", run: markFocused },
        { keys: ["j"], shown: "J", does: "other photos of this scene, without a decision", run: () => grid.showOthers() },
        { keys: ["u", "Ctrl+z"], shown: "U", does: "undo what was confirmed last", run: () => grid.undo() },
        HELP_KEY,
      ],
    },
    {
      title: "Another scene",
      bindings: scenes
        .filter(({ key }) => key in hotkeys)
        .map(({ key }) => ({ keys: [hotkeys[key]], shown: hotkeys[key], does: labelName(key), run: () => grid.choose(key) })),
    },
  ]);
  wireButtons(grid);
}

function wireButtons(grid) {
  for (const [id, run] of Object.entries({ confirm: () => grid.confirm(), undo: () => grid.undo(), later: () => grid.showOthers() })) {
    byId(`grid-${id}`).addEventListener("click", (event) => {
      releaseFocus(event);
      run();
    });
  }
  byId("grid-by").addEventListener("change", (event) => grid.choose(grid.scene, event.target.value));
  byId("grid-list").addEventListener("change", (event) => grid.choose(grid.scene, grid.by, event.target.value));
}
