// Where the person writes: Enter sends, Shift+Enter starts a new line, and nothing typed is lost.

import { loadDraft, newKey, saveDraft } from "./drafts.js";
import { isSendingEnter } from "./enter.js";
import { Files } from "./files.js";
import { word } from "./words.js";

/** @typedef {import("./files.js").File_} File_ */

const TALLEST_PX = 280;
// Stop takes the place of Send under the pointer; the second click of a double click is not meant.
const STOP_ARMS_AFTER_MS = 800;
const CAN_SIZE_ITSELF = CSS.supports("field-sizing", "content");

export class Composer {
  /**
   * @param {HTMLFormElement} form
   * @param {import("./page.js").Page} page
   * @param {{send: (text: string, clientKey: string, files: File_[]) => void, stop: () => void, failed: (failure: import("./api.js").CallFailed) => void, say: (words: string) => void, hush: () => void}} does
   */
  constructor(form, page, does) {
    this.form = form;
    this.page = page;
    this.does = does;
    this.field = /** @type {HTMLTextAreaElement} */ (form.querySelector("#message"));
    this.sendButton = /** @type {HTMLButtonElement} */ (form.querySelector("#send"));
    this.stopButton = /** @type {HTMLButtonElement} */ (form.querySelector("#stop"));
    this.busy = false;
    this.arming = 0;
    this.clientKey = "";
    const { failed, say, hush } = does;
    const changed = () => this.typed();
    /** Where the agent takes none, there are none. */
    this.files = form.dataset.mostFiles ? new Files(form, page.agent, { begin: hush, changed, failed, say }) : null;

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.field.addEventListener("input", () => this.typed());
    this.stopButton.addEventListener("click", () => does.stop());
    // Until now Enter and Send would have done nothing.
    this.field.readOnly = false;
    this.sendButton.disabled = false;
  }

  /**
   * Bring back what was typed, unless it did arrive after all.
   *
   * @param {(clientKey: string) => boolean} arrived
   */
  restore(arrived) {
    const draft = loadDraft(this.page);
    if (arrived(draft.clientKey)) {
      this.put("", "");
      this.save();
      return;
    }
    // The browser may have brought something back itself.
    if (!this.field.value || this.field.value === draft.text)
      this.put(draft.text, draft.clientKey, draft.files);
    else {
      this.files?.show(draft.files);
      this.typed();
    }
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!isSendingEnter(event)) return;
    event.preventDefault();
    this.submit();
  }

  typed() {
    this.clientKey = ""; // other words are another message
    this.save();
    this.size();
  }

  submit() {
    const text = this.field.value.trim();
    this.field.focus();
    if (this.busy) return;
    if (this.files?.busy) this.does.say(word("files-coming"));
    if (!text && this.files?.ready.length) this.does.say(word("files-alone"));
    if (!text || this.files?.busy) return;
    this.clientKey ||= newKey();
    this.save();
    this.does.send(text, this.clientKey, this.files?.ready ?? []);
  }

  /**
   * Show `text`; sending it unchanged uses `clientKey` again, so that it arrives once.
   *
   * @param {string} text
   * @param {string} clientKey
   * @param {File_[]} [files]
   */
  put(text, clientKey, files = []) {
    this.field.value = text;
    this.files?.show(files);
    this.clientKey = clientKey;
    this.size();
  }

  /** The message has arrived: what is kept of it can go. What was typed since stays. */
  sent() {
    this.clientKey = "";
    this.save();
  }

  /**
   * The message has not arrived: put it back, before anything that was typed since.
   *
   * @param {string} text
   * @param {string} clientKey
   * @param {File_[]} files
   */
  giveBack(text, clientKey, files) {
    const since = this.field.value;
    const all = [...files, ...(this.files?.ready ?? [])];
    if (since) this.put(`${text}\n${since}`, "", all);
    else this.put(text, all.length > files.length ? "" : clientKey, all);
    this.save();
  }

  save() {
    const files = this.files?.ready ?? [];
    saveDraft(this.page, { text: this.field.value, clientKey: this.clientKey, files });
  }

  size() {
    if (CAN_SIZE_ITSELF) return;
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, TALLEST_PX)}px`;
  }

  /** Nothing more can be said here. */
  close() {
    this.form.remove();
  }

  /**
   * While an answer is being made there is Stop in the place of Send.
   *
   * @param {boolean} busy
   */
  setBusy(busy) {
    const hadFocus = [this.sendButton, this.stopButton].some(
      (button) => button === document.activeElement,
    );
    this.busy = busy;
    clearTimeout(this.arming);
    this.stopButton.disabled = busy;
    if (busy)
      this.arming = setTimeout(() => (this.stopButton.disabled = false), STOP_ARMS_AFTER_MS);
    this.sendButton.hidden = busy;
    this.stopButton.hidden = !busy;
    if (hadFocus) this.field.focus();
  }
}
