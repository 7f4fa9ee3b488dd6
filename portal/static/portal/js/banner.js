// The note above the composer that says what did not work, and what to do about it.

import { action, make, part } from "./parts.js";
import { signInLink } from "./page.js";
import { word } from "./words.js";

const WORDS = {
  "sign-in": "sign-in-expired",
  "stale-page": "stale-page",
  unreachable: "unreachable",
  refused: "did-not-work",
};

export class Banner {
  /**
   * @param {HTMLElement} element   a live region with role=alert
   * @param {import("./page.js").Page} page
   */
  constructor(element, page) {
    this.element = element;
    this.page = page;
  }

  /** @param {import("./api.js").CallFailed} failure */
  show(failure) {
    const note = this.say(failure.message || word(WORDS[failure.kind]));
    const signIn = action(note, "sign-in");
    signIn.hidden = failure.kind !== "sign-in";
    signIn.setAttribute("href", signInLink(this.page));
    const reload = action(note, "reload");
    reload.hidden = failure.kind !== "stale-page";
    reload.addEventListener("click", () => location.reload());
  }

  /**
   * Say `words`, which offer nothing but to be closed.
   *
   * @param {string} words
   * @returns {HTMLElement}
   */
  say(words) {
    const note = make("banner-template");
    part(note, "words").textContent = words;
    action(note, "dismiss").addEventListener("click", () => this.hide());
    this.element.replaceChildren(note);
    return note;
  }

  hide() {
    this.element.replaceChildren();
  }
}
