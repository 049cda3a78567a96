/** Ask why a photo is skipped, because skipped photos are missing in the figures. */

import { byId } from "./dom.js";

/** @returns {Promise<string|null>} the reason, empty for "later", null if the dialog was closed */
export function chooseReason() {
  const dialog = byId("skip-reason");
  const buttons = [...dialog.querySelectorAll("[data-reason]")];
  return new Promise((resolve) => {
    let reason = null;
    const choose = (button) => {
      reason = button.dataset.reason;
      dialog.close();
    };
    const onClick = (event) => choose(event.currentTarget);
    const onKey = (event) => {
      const button = buttons[Number(event.key) - 1];
      if (button) choose(button);
      event.stopPropagation();
    };
    dialog.addEventListener("keydown", onKey);
    buttons.forEach((button) => button.addEventListener("click", onClick));
    dialog.addEventListener(
      "close",
      () => {
        dialog.removeEventListener("keydown", onKey);
        buttons.forEach((button) => button.removeEventListener("click", onClick));
        resolve(reason);
      },
      { once: true },
    );
    dialog.showModal();
    buttons[0].focus();
  });
}
