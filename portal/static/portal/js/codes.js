// Code in answers: each block can be copied by itself.

import { make } from "./parts.js";

/**
 * Put a button beside each block of code that has none yet.
 *
 * @param {ParentNode} root
 */
export function offerCodes(root) {
  for (const code of root.querySelectorAll(".prose pre")) {
    const box = boxOf(code);
    if (box.lastElementChild === code) box.append(make("code-template"));
  }
}

/**
 * What stands around `code`: of a known language the server has made it, with its name.
 *
 * @param {Element} code
 * @returns {Element}
 */
function boxOf(code) {
  const parent = code.parentElement;
  if (parent?.classList.contains("code")) return parent;
  const box = document.createElement("div");
  box.className = "code";
  code.replaceWith(box);
  box.append(code);
  return box;
}

/**
 * The code that `button` stands beside, as it was written.
 *
 * @param {Element} button
 * @returns {string}
 */
export function codeBeside(button) {
  return button.parentElement?.querySelector("pre")?.textContent ?? "";
}
