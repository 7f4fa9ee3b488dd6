// The list of conversations beside the chat.

import { make, part } from "./parts.js";
import { sayTimes } from "./times.js";

const list = /** @type {HTMLElement} */ (document.querySelector(".conversations__list"));
const none = /** @type {HTMLElement} */ (document.querySelector(".conversations__none"));

/**
 * @param {string} id
 * @returns {HTMLElement | null}
 */
function itemOf(id) {
  return list.querySelector(`[data-conversation="${CSS.escape(id)}"]`);
}

/**
 * @param {import("./page.js").Page} page
 * @returns {HTMLElement}
 */
function makeItem(page) {
  const item = make("conversation-template");
  const link = /** @type {HTMLAnchorElement} */ (item.querySelector("a"));
  item.dataset.conversation = page.conversation;
  link.href = location.pathname;
  link.setAttribute("aria-current", "page");
  part(item, "agent").textContent = page.agentName;
  return item;
}

/**
 * Put this conversation, the current one, at the top of the list.
 *
 * @param {import("./page.js").Page} page
 */
export function bringToTop(page) {
  const item = itemOf(page.conversation) ?? makeItem(page);
  item.querySelector("time")?.setAttribute("datetime", new Date().toISOString());
  none.hidden = true;
  list.prepend(item);
  sayTimes();
}

/**
 * @param {string} id
 * @param {string} title
 */
export function nameConversation(id, title) {
  const link = itemOf(id)?.querySelector("a");
  if (link) link.textContent = title;
}
