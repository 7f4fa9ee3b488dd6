// One answer of an agent on the page: its text, the tools it uses, the consent it asks for, and how
// it ended.

import { ConsentCard } from "./consent.js";
import { action, make, part, showWhen } from "./parts.js";
import { word } from "./words.js";

/**
 * `working` (a tool or a card on the page says itself what goes on) and `done` have no words.
 *
 * @typedef {"queued" | "running" | "writing" | "working" | "waiting" | "stopping"} Progress
 * @typedef {"done" | "stopped" | "failed"} End
 */

const OVER = ["done", "stopped", "failed"];

export class Answer {
  /**
   * @param {HTMLElement} element   an article of `_answer.html`
   * @param {string} question       the message that this answers
   */
  constructor(element, question) {
    this.element = element;
    this.question = question;
    this.flow = part(element, "flow");
    /** What the page came with; the run's own events take its place. */
    this.early = this.flow.querySelector(".prose");
    /** @type {Map<number, HTMLElement>} */
    this.blocks = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.tools = new Map();
    /** @type {Map<string, ConsentCard>} */
    this.cards = new Map();
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
    this.setSource("");
    this.show("queued");
  }

  /**
   * Go on with the run `run`, in the middle of which the page was loaded.
   *
   * @param {string} run
   */
  resume(run) {
    this.element.dataset.run = run;
    if (this.element.dataset.status !== "queued") this.show("running");
  }

  /** Forget everything that was shown. A run that is read from its beginning tells it anew. */
  clear() {
    for (const card of this.cards.values()) card.close();
    this.early = null;
    this.flow.replaceChildren();
    this.blocks.clear();
    this.tools.clear();
    this.cards.clear();
  }

  /**
   * @param {Progress | End} status
   * @param {string} [notice] a sentence of the server, which takes the place of ours
   */
  show(status, notice = "") {
    const over = OVER.includes(status);
    this.element.dataset.status = status;
    this.element.setAttribute("aria-busy", String(!over));
    const words = notice || word(status);
    part(this.element, "state").hidden = words === "";
    part(this.element, "state-words").textContent = words;
    action(this.element, "copy").hidden = !over || !this.text;
  }

  /** Say what goes on right now. */
  showProgress() {
    if (this.element.dataset.status !== "stopping") this.show(this.progress());
  }

  /** @returns {Progress} */
  progress() {
    const cards = Array.from(this.cards.values(), (card) => card.state);
    if (cards.some((state) => state === "pending" || state === "opened")) return "waiting";
    const tools = Array.from(this.tools.values(), (line) => line.dataset.state);
    if (cards.includes("completing") || tools.includes("running")) return "working";
    return this.blocks.size ? "writing" : "running";
  }

  /**
   * Put block `index` of the answer in its place. `html` comes from the server, which has sanitised
   * it (markdown-it without raw HTML, then nh3); it is the only markup that a script inserts.
   *
   * @param {number} index
   * @param {string} html
   */
  setBlock(index, html) {
    this.early?.remove();
    this.early = null;
    let block = this.blocks.get(index);
    if (!block) {
      block = document.createElement("div");
      block.className = "prose";
      const later = Array.from(this.blocks.keys()).filter((other) => other > index);
      const next = later.length ? this.blocks.get(Math.min(...later)) : undefined;
      this.flow.insertBefore(block, next ?? null);
      this.blocks.set(index, block);
    }
    block.innerHTML = html;
  }

  /** @param {{id: string, title: string, state: "running" | "done" | "failed"}} tool */
  setTool(tool) {
    let line = this.tools.get(tool.id);
    if (!line) {
      line = make("tool-template");
      this.flow.append(line);
      this.tools.set(tool.id, line);
    }
    line.dataset.state = tool.state;
    part(line, "title").textContent = tool.title;
    showWhen(line, tool.state);
  }

  /**
   * @param {import("./consent.js").Consent} consent
   * @returns {boolean} whether its state is news
   */
  setConsent(consent) {
    const card = this.cards.get(consent.id);
    if (!card) {
      const made = new ConsentCard(consent, this.question);
      this.flow.append(made.element);
      this.cards.set(consent.id, made);
      return true;
    }
    const before = card.state;
    card.update(consent);
    return card.state !== before;
  }

  /**
   * @param {End} status
   * @param {string} notice
   */
  finish(status, notice) {
    for (const card of this.cards.values()) {
      card.close();
      // The notice says why already.
      card.element.hidden = notice !== "" && card.state !== "granted";
    }
    for (const line of this.tools.values()) {
      // A tool that was cut off in the middle neither failed nor finished: it says nothing more.
      if (line.dataset.state === "running") line.dataset.state = "cut";
    }
    this.show(status, notice);
  }

  /** @param {string} source the answer's markdown */
  setSource(source) {
    const template = /** @type {HTMLTemplateElement} */ (part(this.element, "source"));
    template.content.replaceChildren(source);
  }

  /**
   * Show a finished answer as the server has it, when its events could not be read to their end.
   *
   * @param {{html: string, text: string, run: {status: End, notice: string} | null}} message
   */
  replace(message) {
    this.clear();
    if (message.html) this.setBlock(0, message.html);
    this.setSource(message.text);
    this.show(message.run?.status ?? "done", message.run?.notice ?? "");
  }
}
