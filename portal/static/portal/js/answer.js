// One answer of an agent on the page: its parts, what goes on right now, and how it ended.
//
// Every part comes from the server as HTML, made by `_part.html` whether the page is loaded or the
// run is followed, and has its number. A part that is told again takes the place of what it was.

import { showFeedback } from "./feedback.js";
import { action, part } from "./parts.js";
import { sayTimes } from "./times.js";
import { word } from "./words.js";

/**
 * `working` (a tool or a card on the page says itself what goes on) and `done` have no words.
 *
 * @typedef {"queued" | "running" | "writing" | "working" | "waiting" | "stopping"} Progress
 * @typedef {"done" | "stopped" | "failed"} End
 * @typedef {{status: End, notice: string, reference: string, again: "" | "retry" | "ask"}} Ending
 */

const OVER = ["done", "stopped", "failed"];

/**
 * The elements that `html` makes. It comes from the server, which has escaped or sanitised all that
 * others wrote; it is the only markup that a script inserts.
 *
 * @param {string} html
 * @returns {DocumentFragment}
 */
function markup(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return /** @type {DocumentFragment} */ (document.importNode(template.content, true));
}

/**
 * Put `element` at its number among its numbered siblings, in the place of one that was there.
 *
 * @param {HTMLElement} parent
 * @param {HTMLElement} element
 * @param {"index" | "block"} name   the data attribute that holds the number
 */
function putInOrder(parent, element, name) {
  const number = Number(element.dataset[name]);
  const siblings = /** @type {HTMLElement[]} */ (Array.from(parent.children));
  const same = siblings.find((other) => Number(other.dataset[name]) === number);
  if (same) takePlace(element, same);
  else
    parent.insertBefore(
      element,
      siblings.find((other) => Number(other.dataset[name]) > number) ?? null,
    );
}

/**
 * Put `element` in the place of `before`, open if that was, with the focus if that had it: whoever
 * pressed Connect by keyboard stays at the card.
 *
 * @param {HTMLElement} element
 * @param {HTMLElement} before
 */
function takePlace(element, before) {
  const focused = before.contains(document.activeElement);
  if (before instanceof HTMLDetailsElement && element instanceof HTMLDetailsElement) {
    element.open = before.open;
  }
  before.replaceWith(element);
  if (!focused) return;
  const summary = element.querySelector("summary");
  if (!summary) element.tabIndex = -1;
  (summary ?? element).focus({ preventScroll: true });
}

export class Answer {
  /** @param {HTMLElement} element   an article of `_answer.html` */
  constructor(element) {
    this.element = element;
    this.flow = part(element, "flow");
  }

  get run() {
    return this.element.dataset.run ?? "";
  }

  /** @returns {string} what the agent wrote, as text */
  get text() {
    return Array.from(this.flow.querySelectorAll(".prose"), (prose) =>
      prose.textContent.trim(),
    ).join("\n\n");
  }

  /** @returns {string} what Copy copies: the markdown, as soon as the server has told it */
  get source() {
    const template = /** @type {HTMLTemplateElement} */ (part(this.element, "source"));
    return template.content.textContent || this.text;
  }

  /**
   * Begin, or begin again, as the run `run`.
   *
   * @param {string} run
   */
  begin(run) {
    this.element.dataset.run = run;
    this.flow.replaceChildren();
    this.setSource("");
    showFeedback(this.element, null);
    this.show("queued");
  }

  /**
   * Go on with the run `run`, in the middle of which the page was loaded.
   *
   * @param {string} run
   */
  resume(run) {
    this.element.dataset.run = run;
    if (this.element.dataset.status !== "queued") this.showProgress();
  }

  /**
   * @param {Progress | End} status
   * @param {Partial<Ending>} [ending]
   */
  show(status, { notice = "", reference = "", again = "" } = {}) {
    const over = OVER.includes(status);
    this.element.dataset.status = status;
    this.element.dataset.again = again;
    this.element.setAttribute("aria-busy", String(!over));
    const isAsked = status === "waiting" && this.flow.querySelector("[data-approval][data-state=pending]");
    const words = notice || word(isAsked ? "asking" : status);
    part(this.element, "state").hidden = words === "";
    part(this.element, "state-words").textContent = words;
    part(this.element, "reference").hidden = reference === "";
    part(this.element, "reference-id").textContent = reference;
    action(this.element, "copy").hidden = !over || !this.text;
  }

  /** Say what goes on right now. */
  showProgress() {
    if (this.element.dataset.status !== "stopping") this.show(this.progress());
  }

  /** @returns {Progress} */
  progress() {
    const states = Array.from(
      this.flow.querySelectorAll(":scope > [data-state]"),
      (element) => /** @type {HTMLElement} */ (element).dataset.state,
    );
    if (states.includes("pending")) return "waiting";
    if (states.includes("completing") || states.includes("running")) return "working";
    return this.flow.childElementCount ? "writing" : "running";
  }

  /**
   * Put block `told.index` of a text into its place.
   *
   * @param {{part: number, index: number, html: string}} told
   */
  setBlock(told) {
    let said = this.partAt(told.part);
    if (!said) {
      said = document.createElement("div");
      said.className = "said";
      said.dataset.index = String(told.part);
      putInOrder(this.flow, said, "index");
    }
    const block = document.createElement("div");
    block.className = "prose";
    block.dataset.block = String(told.index);
    block.replaceChildren(markup(told.html));
    putInOrder(said, block, "block");
  }

  /**
   * Put a tool or a request for consent into its place.
   *
   * @param {{index: number, html: string}} told
   * @returns {boolean} whether its state is news
   */
  setPart(told) {
    const element = markup(told.html).firstElementChild;
    if (!(element instanceof HTMLElement)) return false;
    const before = this.partAt(told.index);
    const isNews = before?.dataset.state !== element.dataset.state;
    // The server does not know that the other tab is open already.
    if (!isNews && before?.dataset.opened) element.dataset.opened = before.dataset.opened;
    putInOrder(this.flow, element, "index");
    sayTimes();
    return isNews;
  }

  /**
   * @param {number} index
   * @returns {HTMLElement | null}
   */
  partAt(index) {
    return this.flow.querySelector(`:scope > [data-index="${index}"]`);
  }

  /** @param {string} source the answer's markdown */
  setSource(source) {
    const template = /** @type {HTMLTemplateElement} */ (part(this.element, "source"));
    template.content.replaceChildren(source);
  }

  /**
   * Show a finished answer as the server has it, when its events could not be read to their end.
   *
   * @param {{html: string, text: string, run: Ending | null, feedback: import("./feedback.js").Feedback | null}} message
   */
  replace(message) {
    this.flow.replaceChildren(markup(message.html));
    this.setSource(message.text);
    showFeedback(this.element, message.feedback);
    this.show(message.run?.status ?? "done", message.run ?? {});
  }
}
