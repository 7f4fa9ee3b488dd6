// What is left of a page when its person is signed out.

import { action, make } from "./parts.js";

// Beside the main part: the conversations and what they open, the menu, what the admin site has.
const THEIRS =
  "#conversations, #conversation-menu, #rename, #toast, .top > :not(.brand), #user-tools, .breadcrumbs";

/** Nothing of the person's stays on the screen. What they typed is not kept. */
export function leave() {
  // Who was not signed in when the page was made has nothing on it.
  if (!document.getElementById("signed-out-template")) return;
  const note = make("signed-out-template");
  const link = action(note, "sign-in");
  const next = new URLSearchParams({ next: location.pathname });
  link.setAttribute("href", `${link.getAttribute("href")}?${next}`);
  document.getElementById("main")?.replaceChildren(note);
  for (const theirs of document.querySelectorAll(THEIRS)) theirs.remove();
  document.getElementById("signed-out-template")?.remove();
  const heading = note.querySelector("h1");
  document.title = `${heading?.textContent} · Daiko`;
  heading?.focus();
}
