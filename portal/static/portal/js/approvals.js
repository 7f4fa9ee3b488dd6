// The answers to what an agent asks before it goes on.

import { call } from "./api.js";

const ANSWERS = ["approve", "decline"];

/**
 * @param {HTMLElement} card
 * @returns {Array<HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>}
 */
function fieldsOf(card) {
  return Array.from(card.querySelectorAll("[data-field]"));
}

/**
 * What was filled in, in the order of the fields.
 *
 * @param {HTMLElement} card
 * @returns {string[]}
 */
function valuesIn(card) {
  return fieldsOf(card).map((field) => {
    const isCheck = field instanceof HTMLInputElement && field.type === "checkbox";
    return isCheck ? (field.checked ? "yes" : "no") : field.value;
  });
}

/**
 * Send the person's yes or no when they press one of a card's buttons. What comes of it the run
 * tells, to this tab as to every other.
 *
 * @param {HTMLElement} thread
 * @param {(button: HTMLElement) => string} runAround   the run whose answer a button stands in
 * @param {(error: unknown) => void} failed
 */
export function hearApprovals(thread, runAround, failed) {
  thread.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-action]") : null;
    const card = button?.closest("[data-approval]");
    if (!(button instanceof HTMLElement) || !(card instanceof HTMLElement)) return;
    const answer = button.dataset.action ?? "";
    if (!ANSWERS.includes(answer) || card.ariaBusy === "true") return;
    const approve = answer === "approve";
    if (approve && !fieldsOf(card).every((field) => field.reportValidity())) return;
    card.ariaBusy = "true";
    try {
      const path = `/api/v1/runs/${runAround(button)}/approvals/${card.dataset.approval}`;
      await call("POST", path, { approve, values: approve ? valuesIn(card) : [] });
    } catch (error) {
      card.ariaBusy = "false";
      failed(error);
    }
  });
}
