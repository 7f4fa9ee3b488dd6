// The card that asks for consent inside an answer.

import { make, part, showWhen } from "./parts.js";
import { fromNow } from "./times.js";
import { fill, word } from "./words.js";

/**
 * @typedef {object} Consent
 * @property {string} id
 * @property {"pending" | "completing" | "granted" | "denied" | "expired" | "failed"} state
 * @property {string} agent
 * @property {string} provider
 * @property {{name: string, words: string}[]} scopes
 * @property {string} url
 * @property {string} expires_at
 * @property {string} notice
 */

const TICK_MS = 20_000;
const OPEN = ["pending", "opened", "completing"];

/**
 * The address, where a browser may follow it; a card never links to `javascript:` or the like.
 *
 * @param {string} address
 * @returns {string | null}
 */
function webAddress(address) {
  try {
    const url = new URL(address, location.origin);
    return ["https:", "http:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** @param {{name: string, words: string}} scope */
function scopeLine(scope) {
  const line = make("scope-template");
  part(line, "words").textContent = scope.words;
  part(line, "name").textContent = scope.name;
  return line;
}

/** One consent card, from the first request to its end. */
export class ConsentCard {
  /**
   * @param {Consent} consent
   * @param {string} question   the message that the agent is answering: why it asks now
   */
  constructor(consent, question) {
    this.element = make("consent-template");
    this.state = "";
    this.expiresAt = new Date(consent.expires_at);
    this.expiry = part(this.element, "expiry");
    this.notices = Array.from(this.element.querySelectorAll('[data-part="notice"]'));
    this.connect = /** @type {HTMLAnchorElement} */ (part(this.element, "connect"));
    this.connect.addEventListener("click", () => this.show("opened"));

    const values = { agent: consent.agent, provider: consent.provider, question };
    for (const element of this.element.querySelectorAll("[data-fill]")) {
      element.textContent = fill(element.textContent.trim(), values);
    }
    part(this.element, "agent-letter").textContent = [...consent.agent][0] ?? "";
    part(this.element, "provider-letter").textContent = [...consent.provider][0] ?? "";
    part(this.element, "why").hidden = !question;
    part(this.element, "scopes").replaceChildren(...consent.scopes.map(scopeLine));
    part(this.element, "scopes-lead").hidden = consent.scopes.length === 0;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.update(consent);
  }

  /** @returns {boolean} whether the person can still decide */
  get isOpen() {
    return OPEN.includes(this.state);
  }

  /** @param {Consent} consent */
  update(consent) {
    this.expiresAt = new Date(consent.expires_at);
    const address = webAddress(consent.url);
    if (address) this.connect.href = address;
    else this.connect.removeAttribute("href");
    if (consent.notice) {
      for (const place of this.notices) place.textContent = consent.notice;
    }
    // The server does not know that the other tab is open already; to it this is still pending.
    if (consent.state !== "pending" || this.state !== "opened") this.show(consent.state);
  }

  /** The run is over: what is still open cannot be answered any more. */
  close() {
    if (this.isOpen) this.show("closed");
  }

  /** @param {string} state */
  show(state) {
    this.state = state;
    this.element.dataset.state = state;
    showWhen(this.element, state);
    this.tick();
    if (!this.isOpen) clearInterval(this.timer);
  }

  tick() {
    const known = !Number.isNaN(this.expiresAt.getTime());
    this.expiry.textContent = known ? word("expires", { when: fromNow(this.expiresAt) }) : "";
  }
}
