// A question of the person's is asked again in other words, in a branch of the conversation.

import { CallFailed, call } from "./api.js";
import { newKey } from "./drafts.js";
import { isSendingEnter } from "./enter.js";
import { action, part } from "./parts.js";

/** @param {HTMLElement} article */
function formOf(article) {
  return /** @type {HTMLFormElement} */ (part(article, "edit"));
}

/** @param {HTMLFormElement} form */
function fieldOf(form) {
  return /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("text"));
}

/**
 * Show the form in the place of what was asked, or what was asked again.
 *
 * @param {HTMLElement} article
 * @param {boolean} edits
 */
function toggle(article, edits) {
  const form = formOf(article);
  form.hidden = !edits;
  part(article, "text").hidden = edits;
  action(article, "edit").hidden = edits;
  if (edits) fieldOf(form).focus();
  else action(article, "edit").focus();
}

/**
 * Ask in other words, and go to where it is answered. The same words that are sent twice are one question.
 *
 * @param {HTMLElement} article
 * @param {HTMLFormElement} form
 */
async function ask(article, form) {
  const text = fieldOf(form).value.trim();
  if (!text || form.dataset.busy) return;
  if (form.dataset.sent !== text) form.dataset.key = newKey();
  form.dataset.sent = text;
  form.dataset.busy = "yes";
  try {
    const path = `/api/v1/messages/${article.dataset.message}/edit`;
    const { url } = await call("POST", path, { text, client_key: form.dataset.key });
    location.assign(url);
  } finally {
    delete form.dataset.busy;
  }
}

/**
 * Let the person edit the questions in `thread`.
 *
 * @param {HTMLElement} thread
 * @param {(failure: CallFailed) => void} failed
 */
export function hearEdits(thread, failed) {
  /** @param {EventTarget | null} target */
  const articleOf = (target) => {
    const article = target instanceof Element ? target.closest(".question") : null;
    return article instanceof HTMLElement ? article : null;
  };
  thread.addEventListener("click", (event) => {
    const article = articleOf(event.target);
    const pressed = event.target instanceof Element && event.target.closest("[data-action]");
    if (!article || !(pressed instanceof HTMLElement)) return;
    if (pressed.dataset.action === "edit") {
      fieldOf(formOf(article)).value ||= part(article, "text").textContent ?? "";
      toggle(article, true);
    }
    if (pressed.dataset.action === "cancel-edit") toggle(article, false);
  });
  thread.addEventListener("submit", (event) => {
    const article = articleOf(event.target);
    if (!article) return;
    event.preventDefault();
    ask(article, formOf(article)).catch((error) => {
      if (!(error instanceof CallFailed)) throw error;
      failed(error);
    });
  });
  thread.addEventListener("keydown", (event) => {
    const article = articleOf(event.target);
    if (!article || formOf(article).hidden) return;
    if (event.key === "Escape") toggle(article, false);
    if (event.target === fieldOf(formOf(article)) && isSendingEnter(event)) {
      event.preventDefault();
      formOf(article).requestSubmit();
    }
  });
}
