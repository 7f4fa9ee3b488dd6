// The list of conversations beside the chat.

import { action, make, part } from "./parts.js";
import { sayTimes } from "./times.js";
import { word } from "./words.js";

/**
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title
 * @property {{name: string}} agent
 * @property {string} updated_at
 * @property {boolean} pinned
 * @property {string} url
 */

const list = /** @type {HTMLElement} */ (document.querySelector(".conversations__list"));
const none = /** @type {HTMLElement} */ (document.querySelector(".conversations__none"));
const search = /** @type {HTMLElement} */ (document.getElementById("search"));

/**
 * @param {string} id
 * @returns {HTMLElement | null}
 */
function itemOf(id) {
  return list.querySelector(`[data-conversation="${CSS.escape(id)}"]`);
}

/**
 * @param {Conversation} conversation
 * @returns {HTMLElement}
 */
function makeItem(conversation) {
  const item = make("conversation-template");
  const link = linkOf(item);
  item.dataset.conversation = conversation.id;
  item.toggleAttribute("data-pinned", conversation.pinned);
  link.href = conversation.url;
  if (conversation.url === location.pathname) link.setAttribute("aria-current", "page");
  part(item, "agent").textContent = conversation.agent.name;
  item.querySelector("time")?.setAttribute("datetime", conversation.updated_at);
  setTitle(item, conversation.title);
  return item;
}

/**
 * @param {HTMLElement} item
 * @returns {HTMLAnchorElement}
 */
function linkOf(item) {
  return /** @type {HTMLAnchorElement} */ (item.querySelector("a"));
}

/**
 * @param {HTMLElement} item
 * @param {string} title
 */
function setTitle(item, title) {
  linkOf(item).textContent = title || word("new-conversation");
  nameMore(item);
}

/**
 * Say of which conversation the button of an item tells more.
 *
 * @param {HTMLElement} item
 */
function nameMore(item) {
  const title = linkOf(item).textContent ?? "";
  action(item, "more").setAttribute("aria-label", word("more-about", { title }));
}

/**
 * What the page knows of a conversation in its list.
 *
 * @param {HTMLElement} item
 * @returns {{id: string, title: string, pinned: boolean, url: string}}
 */
export function known(item) {
  const link = linkOf(item);
  return {
    id: item.dataset.conversation ?? "",
    title: link.textContent ?? "",
    pinned: "pinned" in item.dataset,
    url: link.pathname,
  };
}

/**
 * Let the list be these conversations, in this order.
 *
 * @param {Conversation[]} conversations
 * @param {boolean} all  whether there are no others
 */
export function showConversations(conversations, all) {
  list.replaceChildren(...conversations.map(makeItem));
  if (all) {
    none.hidden = conversations.length > 0;
    search.hidden = conversations.length === 0;
  }
  sayTimes();
}

/**
 * Put this conversation, the current one, first of those that are not pinned, unless it is.
 *
 * @param {import("./page.js").Page} page
 */
export function bringToTop(page) {
  const now = new Date().toISOString();
  let item = itemOf(page.conversation);
  item?.querySelector("time")?.setAttribute("datetime", now);
  item ??= makeItem({
    id: page.conversation,
    title: "",
    agent: { name: page.agentName },
    updated_at: now,
    pinned: false,
    url: location.pathname,
  });
  none.hidden = true;
  search.hidden = false;
  if (!("pinned" in item.dataset)) {
    const pinned = [...list.querySelectorAll("[data-pinned]")].at(-1);
    if (pinned) pinned.after(item);
    else list.prepend(item);
  }
  sayTimes();
}

/**
 * @param {string} id
 * @param {string} title
 */
export function nameConversation(id, title) {
  const item = itemOf(id);
  if (item) setTitle(item, title);
}

for (const item of list.children) {
  if (item instanceof HTMLElement) nameMore(item);
}
