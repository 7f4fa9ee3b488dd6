// What the person does about a request for consent: to the service and back, or not now.

import { call } from "./api.js";

/**
 * Hear the buttons of such cards. What comes of a no the run tells, to this tab as to every other.
 *
 * @param {HTMLElement} thread
 * @param {(error: unknown) => void} failed
 */
export function hearConsents(thread, failed) {
  thread.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-action]") : null;
    const card = button?.closest(".consent");
    if (!(button instanceof HTMLElement) || !(card instanceof HTMLElement)) return;
    if (button.dataset.action === "connect") card.dataset.opened = "yes";
    if (button.dataset.action !== "not-now" || card.ariaBusy === "true") return;
    card.ariaBusy = "true";
    try {
      await call("POST", `/api/v1/consents/${card.dataset.consent}/decline`, {});
    } catch (error) {
      card.ariaBusy = "false";
      failed(error);
    }
  });
}
