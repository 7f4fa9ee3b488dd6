// What the person thinks of an answer: good or bad, and what was wrong with a bad one.

import { announce } from "./announce.js";
import { CallFailed, call } from "./api.js";
import { action, part } from "./parts.js";
import { word } from "./words.js";

/** @typedef {{verdict: "good" | "bad", words: string}} Feedback */

/** What the server has, and what the page showed last, by run. @type {Map<string, Feedback | null>} */
const kept = new Map();
/** @type {Map<string, Feedback | null>} */
const latest = new Map();
/** Calls go one after the other, so that the last press is what stays. @type {Promise<unknown>} */
let before = Promise.resolve();

/**
 * Show on an answer what its person thinks of it; null: they did not say.
 *
 * @param {HTMLElement} article
 * @param {Feedback | null} feedback
 */
export function showFeedback(article, feedback) {
  for (const verdict of ["good", "bad"]) {
    action(article, verdict).setAttribute("aria-pressed", String(feedback?.verdict === verdict));
  }
  const words = part(article, "feedback-words");
  words.textContent = feedback?.words ?? "";
  words.hidden = !feedback?.words;
  part(article, "wrong").hidden = true;
}

/**
 * @param {HTMLElement} article
 * @returns {Feedback | null}
 */
function shownFeedback(article) {
  const pressed = article.querySelector("[aria-pressed='true']");
  if (!(pressed instanceof HTMLElement)) return null;
  const verdict = pressed.dataset.action === "good" ? "good" : "bad";
  return { verdict, words: part(article, "feedback-words").textContent };
}

/**
 * Show `feedback` at once, and let the server keep it; where it does not, show what it has.
 *
 * @param {HTMLElement} article
 * @param {Feedback | null} feedback
 * @returns {Promise<void>}
 * @throws {CallFailed}
 */
async function keep(article, feedback) {
  const run = article.dataset.run ?? "";
  const path = `/api/v1/runs/${run}/feedback`;
  if (!kept.has(run)) kept.set(run, shownFeedback(article));
  latest.set(run, feedback);
  showFeedback(article, feedback);
  const turn = before.then(() => (feedback ? call("PUT", path, feedback) : call("DELETE", path)));
  before = turn.catch(() => {});
  try {
    await turn;
    kept.set(run, feedback);
  } catch (error) {
    if (latest.get(run) === feedback && article.dataset.run === run) {
      showFeedback(article, kept.get(run) ?? null);
    }
    throw error;
  }
}

/**
 * @param {HTMLElement} article
 * @param {"good" | "bad"} verdict
 */
async function press(article, verdict) {
  const takesBack = shownFeedback(article)?.verdict === verdict;
  const asks = verdict === "bad" && !takesBack;
  const done = keep(article, takesBack ? null : { verdict, words: "" });
  part(article, "wrong").hidden = !asks;
  await done;
  announce(word(takesBack ? "feedback-gone" : asks ? "feedback-asks" : "feedback-kept"));
}

/**
 * @param {HTMLElement} article
 * @param {HTMLFormElement} form
 */
async function explain(article, form) {
  const field = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("words"));
  action(article, "bad").focus({ preventScroll: true });
  try {
    await keep(article, { verdict: "bad", words: field.value.trim() });
    field.value = "";
    announce(word("feedback-kept"));
  } catch (error) {
    form.hidden = false; // what they wrote is still in it
    throw error;
  }
}

/**
 * Take what the person thinks of the answers in `thread`.
 *
 * @param {HTMLElement} thread
 * @param {(failure: CallFailed) => void} failed
 */
export function hearFeedback(thread, failed) {
  /** @param {unknown} error */
  const tell = (error) => {
    if (!(error instanceof CallFailed)) throw error;
    failed(error);
  };
  thread.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[aria-pressed]");
    const article = button && button.closest(".answer");
    if (!(button instanceof HTMLElement) || !(article instanceof HTMLElement)) return;
    press(article, button.dataset.action === "good" ? "good" : "bad").catch(tell);
  });
  thread.addEventListener("submit", (event) => {
    const form = event.target;
    const article = form instanceof HTMLFormElement && form.closest(".answer");
    if (!(form instanceof HTMLFormElement) || !(article instanceof HTMLElement)) return;
    event.preventDefault();
    explain(article, form).catch(tell);
  });
}
