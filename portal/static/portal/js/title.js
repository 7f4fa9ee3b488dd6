// The title of the window: the conversation's, and a sign when something waits for the person.

import { word } from "./words.js";

const SUFFIX = " · Daiko";
let title = document.title.endsWith(SUFFIX)
  ? document.title.slice(0, -SUFFIX.length)
  : document.title;

/** @typedef {"" | "approval" | "consent" | "answer"} Sign */

/** @type {Sign} */
let sign = "";

function show() {
  document.title = (sign ? word(`title-${sign}`, { title }) : title) + SUFFIX;
}

/** @param {string} newTitle */
export function setTitle(newTitle) {
  title = newTitle;
  show();
}

/** @param {Sign} newSign */
export function setSign(newSign) {
  sign = newSign;
  show();
}

// An answer is news only until somebody looks.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && sign === "answer") setSign("");
});
