// What a screen reader is told: that an answer is finished or consent is asked for, never single
// tokens.

const SPOKEN_MS = 4_000;
const announcer = /** @type {HTMLElement} */ (document.getElementById("announcer"));
let timer = 0;

/**
 * Say `text` once, politely; it does not stay on the page.
 *
 * @param {string} text
 */
export function announce(text) {
  const line = document.createElement("span");
  line.textContent = text;
  announcer.replaceChildren(line);
  clearTimeout(timer);
  timer = window.setTimeout(() => announcer.replaceChildren(), SPOKEN_MS);
}
