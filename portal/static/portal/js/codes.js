// Code in answers: each block can be copied by itself.

import { make } from "./parts.js";

/**
 * Put a button beside each block of code that has none yet.
 *
 * @param {ParentNode} root
 */
export function offerCodes(root) {
  for (const code of root.querySelectorAll(".prose pre")) {
    if (code.parentElement?.classList.contains("code")) continue;
    const box = make("code-template");
    code.replaceWith(box);
    box.prepend(code);
  }
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
