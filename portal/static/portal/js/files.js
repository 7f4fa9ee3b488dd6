// The files that go with the next message: chosen, dropped or pasted, uploaded at once, and shown.

import { announce } from "./announce.js";
import { CallFailed, call, upload } from "./api.js";
import { action, make, part } from "./parts.js";
import { word } from "./words.js";

/**
 * @typedef {object} File_
 * @property {string} id
 * @property {string} name
 * @property {number} size
 * @property {boolean} is_image
 * @property {string} url
 */

const API = "/api/v1/attachments";
const UNITS = /** @type {const} */ (["byte", "kilobyte", "megabyte"]);

/**
 * A size as people say it.
 *
 * @param {number} octets
 */
function sizeInWords(octets) {
  const at = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, octets)) / 10));
  return new Intl.NumberFormat(document.documentElement.lang, {
    style: "unit",
    unit: UNITS[at],
    unitDisplay: at ? "short" : "long",
    maximumFractionDigits: at ? 1 : 0,
  }).format(octets / 1024 ** at);
}

/**
 * A file as a line of a list.
 *
 * @param {File_} file
 * @returns {HTMLElement}
 */
function lineOf(file) {
  const line = make("file-template");
  part(line, "name").textContent = file.name;
  part(line, "size").textContent = sizeInWords(file.size);
  if (file.url) part(line, "link").setAttribute("href", file.url);
  const picture = /** @type {HTMLImageElement} */ (part(line, "picture"));
  if (file.is_image && file.url) picture.src = file.url;
  else picture.remove();
  return line;
}

/**
 * Show what is attached to a question.
 *
 * @param {HTMLElement} question
 * @param {File_[]} files
 */
export function showFiles(question, files) {
  const lines = files.map(lineOf);
  for (const line of lines) {
    action(line, "detach").remove();
    part(line, "progress").remove();
  }
  part(question, "files").replaceChildren(...lines);
}

export class Files {
  /**
   * @param {HTMLFormElement} form
   * @param {string} agent
   * @param {{begin: () => void, changed: () => void, failed: (failure: CallFailed) => void, say: (words: string) => void}} does
   */
  constructor(form, agent, does) {
    this.agent = agent;
    this.does = does;
    this.list = part(form, "files");
    this.input = /** @type {HTMLInputElement} */ (part(form, "choose"));
    this.most = Number(form.dataset.mostFiles);
    this.mostBytes = Number(form.dataset.mostBytes);
    /** @type {Map<HTMLElement, File_ | null>} null: it is on its way */
    this.lines = new Map();
    action(form, "attach").addEventListener("click", () => this.input.click());
    this.input.addEventListener("change", () => {
      this.take(this.input.files);
      this.input.value = "";
    });
    form.addEventListener("paste", (event) => this.come(event, event.clipboardData));
    document.addEventListener("dragover", (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
    document.addEventListener("drop", (event) => this.come(event, event.dataTransfer));
  }

  /** @returns {File_[]} what is there to be sent */
  get ready() {
    return [...this.lines.values()].filter((file) => file !== null);
  }

  /** @returns {boolean} whether something is on its way still */
  get busy() {
    return this.ready.length < this.lines.size;
  }

  /**
   * Files came with an event: they are attached, and the browser does not open them.
   *
   * @param {Event} event
   * @param {DataTransfer | null} data
   */
  come(event, data) {
    if (!data?.files.length) return;
    event.preventDefault();
    this.take(data.files);
  }

  /** @param {FileList | null} files */
  take(files) {
    this.does.begin();
    for (const file of files ?? []) {
      if (this.lines.size >= this.most) {
        this.does.say(word("files-too-many", { most: String(this.most) }));
        return;
      }
      if (file.size > this.mostBytes) {
        const most = sizeInWords(this.mostBytes);
        this.does.say(word("file-too-large", { name: file.name, most }));
      } else {
        this.send(file);
      }
    }
  }

  /** @param {File} file */
  async send(file) {
    const coming = { id: "", name: file.name, size: file.size, is_image: false, url: "" };
    const line = this.put(coming, null);
    const progress = /** @type {HTMLProgressElement} */ (part(line, "progress"));
    const leaving = new AbortController();
    line.addEventListener("daiko:detached", () => leaving.abort());
    try {
      const query = new URLSearchParams({ agent: this.agent, name: file.name });
      const taken = await upload(`${API}?${query}`, file, {
        told: (part_) => (progress.value = part_),
        signal: leaving.signal,
      });
      if (!this.lines.has(line)) return;
      this.lines.delete(line);
      line.replaceWith(this.put(/** @type {File_} */ (taken), /** @type {File_} */ (taken)));
      announce(word("file-attached", { name: taken.name }));
    } catch (error) {
      this.remove(line);
      if (!(error instanceof CallFailed)) throw error;
      if (!leaving.signal.aborted) this.does.failed(error.about(file.name));
    }
    this.does.changed();
  }

  /**
   * @param {File_} shown
   * @param {File_ | null} file
   * @returns {HTMLElement} its line
   */
  put(shown, file) {
    const line = lineOf(shown);
    if (file) part(line, "progress").remove();
    const detach = action(line, "detach");
    detach.setAttribute("aria-label", word("file-remove", { name: shown.name }));
    detach.addEventListener("click", () => this.detach(line));
    this.lines.set(line, file);
    this.list.append(line);
    return line;
  }

  /** @param {HTMLElement} line */
  async detach(line) {
    const file = this.lines.get(line);
    this.remove(line);
    line.dispatchEvent(new Event("daiko:detached"));
    this.does.changed();
    this.input.form?.querySelector("textarea")?.focus();
    try {
      if (file) await call("DELETE", `${API}/${file.id}`);
    } catch (error) {
      // What is not sent is forgotten within a day.
      if (!(error instanceof CallFailed)) throw error;
    }
  }

  /** @param {HTMLElement} line */
  remove(line) {
    this.lines.delete(line);
    line.remove();
  }

  /**
   * Show these in the place of what is there.
   *
   * @param {File_[]} files
   */
  show(files) {
    for (const line of [...this.lines.keys()]) this.remove(line);
    for (const file of files) this.put(file, file);
  }
}
