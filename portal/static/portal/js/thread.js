// The messages of the conversation, in order.

import { Answer } from "./answer.js";
import { showFiles } from "./files.js";
import { make, part } from "./parts.js";

/**
 * @param {HTMLElement} root
 * @param {string} name
 * @param {string} value
 * @returns {HTMLElement | null}
 */
function find(root, name, value) {
  return root.querySelector(`[data-${name}="${CSS.escape(value)}"]`);
}

export class Thread {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    /** @type {Answer | null} */
    this.last = null;
  }

  /** @returns {boolean} whether nothing was said yet */
  get isEmpty() {
    return this.element.querySelector(".question, .answer") === null;
  }

  /**
   * Whether the message sent under `clientKey` is here already.
   *
   * @param {string} clientKey
   */
  has(clientKey) {
    return clientKey !== "" && find(this.element, "client-key", clientKey) !== null;
  }

  /**
   * Show a message of the person, before or after the server has it.
   *
   * @param {string} text
   * @param {string} clientKey
   * @param {import("./files.js").File_[]} files
   * @returns {HTMLElement}
   */
  addQuestion(text, clientKey, files) {
    const shown = find(this.element, "client-key", clientKey);
    if (shown) return shown;
    this.element.querySelector("#intro")?.remove();
    const article = make("question-template");
    article.dataset.clientKey = clientKey;
    part(article, "text").textContent = text;
    showFiles(article, files);
    this.element.append(article);
    return article;
  }

  /**
   * The answer of the run `run`, made at the end of the thread where there is none yet.
   *
   * @param {string} run
   * @returns {Answer}
   */
  answer(run) {
    if (this.last?.run === run) return this.last;
    let article = find(this.element, "run", run);
    if (!article) {
      article = make("answer-template");
      this.element.append(article);
    }
    this.last = new Answer(article);
    return this.last;
  }

  /**
   * Show `messages`, which are all that the server has. What is here already stays as it is.
   *
   * @param {Record<string, any>[]} messages
   * @returns {boolean} whether anything has changed
   */
  show(messages) {
    const before = Array.from(this.element.children);
    const articles = messages.map((message) =>
      message.run ? this.answered(message) : this.asked(message),
    );
    if (articles.every((article, at) => article === before[at])) {
      if (articles.length === before.length) return false;
    }
    this.element.replaceChildren(...articles);
    return true;
  }

  /**
   * @param {Record<string, any>} message   of the person
   * @returns {HTMLElement}
   */
  asked(message) {
    const shown =
      find(this.element, "message", message.id) ??
      (message.client_key && find(this.element, "client-key", message.client_key));
    if (shown) return shown;
    const article = make("question-template");
    article.dataset.message = message.id;
    article.dataset.clientKey = message.client_key ?? "";
    part(article, "text").textContent = message.text;
    showFiles(article, message.attachments ?? []);
    return article;
  }

  /**
   * @param {Record<string, any>} message   of the agent
   * @returns {HTMLElement}
   */
  answered(message) {
    const shown = find(this.element, "run", message.run.id);
    if (shown?.dataset.status === message.run.status) return shown;
    const article = shown ?? make("answer-template");
    article.dataset.message = message.id;
    article.dataset.run = message.run.id;
    new Answer(article).replace(/** @type {any} */ (message));
    return article;
  }

  /**
   * The answer that `element` is part of.
   *
   * @param {Element} element
   * @returns {Answer | null}
   */
  answerAround(element) {
    const article = element.closest(".answer");
    if (!(article instanceof HTMLElement)) return null;
    if (this.last?.element === article) return this.last;
    return new Answer(article);
  }
}
