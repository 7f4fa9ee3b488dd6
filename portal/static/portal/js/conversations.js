// The list of conversations beside the chat.

import { make } from "./parts.js";
import { sayTimes } from "./times.js";

const list = /** @type {HTMLElement} */ (document.querySelector(".conversations__list"));
const none = /** @type {HTMLElement} */ (document.querySelector(".conversations__none"));

/**
 * @param {string} id
 * @returns {HTMLElement | null}
 */
function linkTo(id) {
  return list.querySelector(`[data-conversation="${CSS.escape(id)}"]`);
}

/**
 * Put this conversation, the current one, at the top of the list.
 *
 * @param {import("./page.js").Page} page
 */
export function bringToTop(page) {
  let link = linkTo(page.conversation);
  let item = link?.closest("li");
  if (!link || !item) {
    item = /** @type {HTMLLIElement} */ (make("conversation-template"));
    link = /** @type {HTMLElement} */ (item.querySelector(".conversation"));
    link.dataset.conversation = page.conversation;
    link.setAttribute("href", location.pathname);
    link.setAttribute("aria-current", "page");
    /** @type {HTMLElement} */ (link.querySelector("[data-agent-name]")).textContent =
      page.agentName;
  }
  /** @type {HTMLElement} */ (link.querySelector("time")).setAttribute(
    "datetime",
    new Date().toISOString(),
  );
  none.hidden = true;
  list.prepend(item);
  sayTimes();
}

/**
 * @param {string} id
 * @param {string} title
 */
export function nameConversation(id, title) {
  const name = linkTo(id)?.querySelector(".conversation__title");
  if (name) name.textContent = title;
}
