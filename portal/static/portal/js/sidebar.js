// Beside the chat: conversations are found, named, pinned, taken away and deleted.

import { CallFailed, call } from "./api.js";
import { known, showConversations } from "./conversations.js";
import { leave } from "./leave.js";
import { action, make, part } from "./parts.js";
import { hearTabs, tellTabs } from "./tabs.js";
import { word } from "./words.js";

const API = "/api/v1/conversations";
const TYPING_MS = 200;
/** For so long the server can bring back what was deleted. */
const UNDO_MS = 600_000;
const GAP_PX = 4;
const DELETED = "daiko-deleted";

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const search = /** @type {HTMLFormElement} */ (element("search"));
const field = /** @type {HTMLInputElement} */ (search.elements.namedItem("words"));
const menu = element("conversation-menu");
const dialog = /** @type {HTMLDialogElement} */ (element("rename"));
const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
const name = /** @type {HTMLInputElement} */ (element("rename-name"));
const toast = element("toast");
const person = element("main").dataset.person;

/** The conversation that the menu, or the dialog, is about. */
let chosen = { id: "", title: "", pinned: false, url: "" };
/** @type {HTMLElement | null} */
let opener = null;
let asked = 0;
let typing = 0;
let fading = 0;

// The list

/** Read the list as it is now, and as far as it has what is searched for. */
async function reload() {
  const words = field.value.trim();
  const mine = ++asked;
  const path = words ? `${API}?${new URLSearchParams({ words })}` : API;
  const found = await attempt(() => call("GET", path));
  if (!found || mine !== asked) return; // a later question is under way
  showConversations(/** @type {any} */ (found), !words);
  const count = String(found.length);
  part(search, "found").textContent = !words
    ? ""
    : word(found.length ? "found" : "found-none", { count });
}

search.addEventListener("submit", (event) => {
  event.preventDefault();
  reload();
});
field.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(reload, TYPING_MS);
});
hearTabs((told) => {
  if (told.said === "kept" || told.said === "went-on") reload();
});

/** The list has changed: here, and so in the other tabs. */
function changed() {
  tellTabs({ said: "kept" });
  return reload();
}

// The menu of one conversation

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-action=more]") : null;
  const item = button?.closest("[data-conversation]");
  if (!(button instanceof HTMLElement) || !(item instanceof HTMLElement)) return;
  opener = button;
  chosen = known(item);
  action(menu, "pin").hidden = chosen.pinned;
  action(menu, "unpin").hidden = !chosen.pinned;
  for (const kind of ["markdown", "json"]) {
    const link = menu.querySelector(`[data-action=${kind}]`);
    link?.setAttribute("href", `${chosen.url}export/${kind}/`);
  }
});

menu.addEventListener("toggle", (event) => {
  if (!(event instanceof ToggleEvent) || event.newState !== "open" || !opener) return;
  const at = opener.getBoundingClientRect();
  const below = at.bottom + GAP_PX;
  const fits = below + menu.offsetHeight <= innerHeight;
  const right = Math.min(at.right, innerWidth - GAP_PX);
  menu.style.top = `${fits ? below : Math.max(GAP_PX, at.top - menu.offsetHeight - GAP_PX)}px`;
  menu.style.left = `${Math.max(GAP_PX, right - menu.offsetWidth)}px`;
});

menu.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-action]") : null;
  if (!(button instanceof HTMLElement)) return;
  menu.hidePopover();
  if (button.dataset.action === "rename") askName();
  if (button.dataset.action === "pin") change({ pinned: true });
  if (button.dataset.action === "unpin") change({ pinned: false });
  if (button.dataset.action === "delete") remove();
});

/**
 * Change the chosen conversation.
 *
 * @param {object} asking
 */
async function change(asking) {
  if (await attempt(() => call("PATCH", `${API}/${chosen.id}`, asking))) await changed();
}

// Its name

function askName() {
  name.value = chosen.title;
  part(dialog, "refused").textContent = "";
  dialog.showModal();
  name.select();
}

action(dialog, "cancel").addEventListener("click", () => dialog.close());
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { id, url } = chosen;
  try {
    const { title } = await call("PATCH", `${API}/${id}`, { title: name.value });
    dialog.close();
    if (url === location.pathname) {
      document.dispatchEvent(new CustomEvent("daiko:renamed", { detail: title }));
    }
    await changed();
  } catch (error) {
    part(dialog, "refused").textContent = reason(failureOf(error));
  }
});

// Deleting, and taking that back

async function remove() {
  const { id, title, url } = chosen;
  if (!(await attempt(() => call("DELETE", `${API}/${id}`)))) return;
  tellTabs({ said: "kept" });
  if (url === location.pathname) {
    // This page is of what is gone now. The next one offers to take it back, to the same person.
    sessionStorage.setItem(DELETED, JSON.stringify({ person, id, title }));
    location.assign("/");
    return;
  }
  await reload();
  offerUndo(id, title);
}

/**
 * @param {string} id
 * @param {string} title
 */
function offerUndo(id, title) {
  const note = say(word("deleted", { title }));
  const undo = action(note, "undo");
  undo.hidden = false;
  undo.addEventListener("click", async () => {
    toast.hidePopover();
    if (await attempt(() => call("POST", `${API}/${id}/restore`))) await changed();
  });
}

/**
 * Show `words` at the edge of the page, until they are closed or of no use any more.
 *
 * @param {string} words
 * @returns {HTMLElement}
 */
function say(words) {
  const note = make("toast-template");
  part(note, "words").textContent = words;
  action(note, "undo").hidden = true;
  action(note, "dismiss").addEventListener("click", () => toast.hidePopover());
  toast.replaceChildren(note);
  // Anew, so that it stands above what was opened since.
  toast.hidePopover();
  toast.showPopover();
  clearTimeout(fading);
  fading = setTimeout(() => toast.hidePopover(), UNDO_MS);
  return note;
}

// What does not work

/**
 * What `asking` answers; undefined where it failed, and why is on the page then.
 *
 * @param {() => Promise<Record<string, any>>} asking
 */
async function attempt(asking) {
  try {
    return await asking();
  } catch (error) {
    const failure = failureOf(error);
    if (failure.kind !== "sign-in") say(reason(failure));
    return undefined;
  }
}

/**
 * @param {unknown} error
 * @returns {CallFailed}
 */
function failureOf(error) {
  if (!(error instanceof CallFailed)) throw error;
  if (error.kind === "sign-in") leave();
  return error;
}

/** @param {CallFailed} failure */
function reason(failure) {
  if (failure.message) return failure.message;
  if (failure.kind === "unreachable") return word("list-unreachable");
  return word(failure.kind === "stale-page" ? "list-stale" : "did-not-work");
}

const gone = sessionStorage.getItem(DELETED);
if (gone) {
  sessionStorage.removeItem(DELETED);
  const { person: whose, id, title } = JSON.parse(gone);
  if (whose === person) offerUndo(id, title);
}
