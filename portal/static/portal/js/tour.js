// The tour: three steps in a modal dialog. Who sees it to its end, or puts it away, is not shown it
// again unless they ask.

import { CallFailed, call } from "./api.js";

const tour = document.getElementById("tour");
const again = document.getElementById("tour-again");
const steps = [...(tour?.querySelectorAll("[data-step]") ?? [])];
let at = 0;

/**
 * Show a step; its heading has the focus, so that it is read, and the next key goes on from there.
 *
 * @param {number} step
 */
function show(step) {
  at = step;
  for (const [number, section] of steps.entries()) section.toggleAttribute("hidden", number !== at);
  button("skip").hidden = at === steps.length - 1;
  button("back").hidden = at === 0;
  button("next").hidden = at === steps.length - 1;
  button("done").hidden = at < steps.length - 1;
  const heading = /** @type {HTMLElement} */ (steps[at].querySelector("h2"));
  tour?.setAttribute("aria-labelledby", heading.id);
  heading.focus();
}

/**
 * @param {string} name
 * @returns {HTMLButtonElement}
 */
function button(name) {
  return /** @type {HTMLButtonElement} */ (tour?.querySelector(`[data-action="${name}"]`));
}

/** The person is not shown it again; where that cannot be said, they see it once more. */
async function remember() {
  if (!(tour instanceof HTMLDialogElement) || !("first" in tour.dataset)) return;
  delete tour.dataset.first;
  try {
    await call("POST", tour.dataset.seen ?? "");
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error;
  }
}

if (tour instanceof HTMLDialogElement && again) {
  const open = () => {
    tour.showModal();
    show(0);
  };
  for (const name of ["skip", "done"]) button(name).addEventListener("click", () => tour.close());
  button("next").addEventListener("click", () => show(at + 1));
  button("back").addEventListener("click", () => show(at - 1));
  tour.addEventListener("close", remember);
  again.addEventListener("click", open);
  again.hidden = false;
  if ("first" in tour.dataset) open();
}
