// The chat: what the person does becomes calls, what the run tells becomes the page.

import { announce } from "./announce.js";
import { CallFailed, call } from "./api.js";
import { hearApprovals } from "./approvals.js";
import { Banner } from "./banner.js";
import { codeBeside, offerCodes } from "./codes.js";
import { Composer } from "./composer.js";
import { bringToTop, nameConversation } from "./conversations.js";
import { hearConsents } from "./consents.js";
import { copyText } from "./copy.js";
import { saveDraft } from "./drafts.js";
import { hearEdits } from "./edit.js";
import { hearFeedback } from "./feedback.js";
import { leave as clearPage } from "./leave.js";
import { readPage } from "./page.js";
import { part } from "./parts.js";
import { makeReachable } from "./reach.js";
import { followEnd } from "./scroll.js";
import { followRun } from "./stream.js";
import { hearTabs, tellTabs } from "./tabs.js";
import { Thread } from "./thread.js";
import { setSign, setTitle } from "./title.js";
import { word } from "./words.js";

/** @typedef {import("./answer.js").Answer} Answer */

const API = "/api/v1";
const COPIED_MS = 1_600;
const LONGEST_TITLE = 60;
const CONFLICT = 409;
const SIGN_IN_EXPIRED = "sign_in_expired";

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const page = readPage(element("main"));
const thread = new Thread(element("thread"));
const banner = new Banner(element("banner"), page);
const scroll = followEnd(element("thread"), element("jump"));
const form = document.getElementById("composer");
const hush = () => banner.hide();
const heard = { send, stop, failed: show, say, hush };
const composer = form instanceof HTMLFormElement ? new Composer(form, page, heard) : null;

/** @type {{id: string, answer: Answer, events: {close: () => void}} | null} */
let current = null;
/** Stop was pressed before the server had named the run. */
let stopEarly = false;
/** How often this tab went on with the conversation: what was read before that is old. */
let turns = 0;
let looking = false;
let left = false;

/**
 * The failure as the page shows it; anything but a failed call is a bug, and goes to the console.
 *
 * @param {unknown} error
 * @returns {CallFailed}
 */
function failureOf(error) {
  if (error instanceof CallFailed) return error;
  throw error;
}

/** @param {CallFailed} failure */
function show(failure) {
  banner.show(failure);
}

/** @param {string} words */
function say(words) {
  banner.say(words);
}

// Sending

/**
 * Send one message and follow its answer. Until the server has it, it stays kept as a draft.
 *
 * @param {string} text
 * @param {string} clientKey
 * @param {import("./files.js").File_[]} files
 */
async function send(text, clientKey, files) {
  goOn();
  composer?.put("", "");
  const untitled = thread.isEmpty;
  const question = thread.addQuestion(text, clientKey, files);
  scroll.toEnd();
  try {
    await haveConversation({ text, clientKey, files });
    const path = `${API}/conversations/${page.conversation}/messages`;
    const { message, run } = await call("POST", path, {
      text,
      client_key: clientKey,
      ...(files.length && { attachments: files.map((file) => file.id) }),
    });
    question.dataset.message = message.id;
    composer?.sent();
    bringToTop(page);
    if (untitled) entitle(text.slice(0, LONGEST_TITLE));
    follow(run.id, run.events, true);
    tellOthers();
    if (stopEarly) stop();
  } catch (error) {
    question.remove();
    composer?.giveBack(text, clientKey, files);
    composer?.setBusy(false);
    await explain(failureOf(error));
  }
}

/** A question begins, or an answer begins again. */
function goOn() {
  turns += 1;
  banner.hide();
  composer?.setBusy(true);
  stopEarly = false;
}

function tellOthers() {
  tellTabs({ said: "went-on", conversation: page.conversation });
}

/**
 * Make the conversation with its first message, and let the address of the page become its own.
 *
 * @param {import("./drafts.js").Draft} draft
 */
async function haveConversation(draft) {
  if (page.conversation) return;
  const { id, url } = await call("POST", `${API}/conversations`, { agent: page.agent });
  saveDraft(page, { text: "", clientKey: "", files: [] });
  page.conversation = id;
  saveDraft(page, draft);
  history.replaceState(null, "", url);
}

// A run

/**
 * Follow the run `id` to its end.
 *
 * @param {string} id
 * @param {string} url      where its events are
 * @param {boolean} fresh   it begins now; else the page was loaded in the middle of it
 */
function follow(id, url, fresh) {
  current?.events.close();
  const answer = thread.answer(id);
  if (fresh) answer.begin(id);
  else answer.resume(id);
  const events = followRun(url, {
    event: (name, data) => apply(answer, name, data),
    broken: (broken) => {
      element("network").textContent = broken ? word("reconnecting") : "";
    },
    givenUp: () => lookAfter(id, answer),
  });
  current = { id, answer, events };
  composer?.setBusy(true);
}

/**
 * @param {Answer} answer
 * @param {string} name
 * @param {Record<string, any>} data
 */
function apply(answer, name, data) {
  if (name === "signed_out") {
    leave();
  } else if (name === "finished") {
    answer.show(data.status, data);
    runIsOver(answer, data);
  } else {
    if (name === "block") answer.setBlock(/** @type {any} */ (data));
    if (name === "part") applyPart(answer, data);
    if (name === "status" && data.status === "queued") answer.show("queued");
    else answer.showProgress();
  }
}

/**
 * @param {Answer} answer
 * @param {Record<string, any>} data
 */
function applyPart(answer, data) {
  const isNews = answer.setPart(/** @type {any} */ (data));
  if (!isNews || !["consent", "approval"].includes(data.kind)) return;
  const { kind, agent, provider, state } = data;
  if (kind === "approval") {
    setSign(state === "pending" ? "approval" : "");
    if (state === "pending") announce(word("says-approval", { agent }));
    return;
  }
  setSign(state === "pending" ? "consent" : "");
  if (state === "pending") announce(word("says-consent", { agent, provider }));
  if (state === "granted") announce(word("says-connected", { provider }));
}

/**
 * @param {Answer} answer
 * @param {Record<string, any>} ending
 */
function runIsOver(answer, ending) {
  current = null;
  composer?.setBusy(false);
  offerCodes(answer.element);
  makeReachable(answer.element);
  setSign(document.hidden ? "answer" : "");
  announce(word(`says-${ending.status}`, { agent: page.agentName }));
  if (ending.closed) close(ending.closed);
  if (ending.code === SIGN_IN_EXPIRED) show(new CallFailed("sign-in"));
  const before = turns;
  readConversation().then((conversation) => {
    settle(answer, conversation);
    // Another tab may have asked on before this one had heard of the end.
    if (conversation.active_run && before === turns) takeOver(conversation);
  }, failureOf);
}

/**
 * Nothing more can be said here: say why, once, in the place of the composer.
 *
 * @param {string} words
 */
function close(words) {
  composer?.close();
  part(element("closed"), "closed-words").textContent = words;
  element("closed").hidden = false;
}

/** The person is signed out: no event of theirs is read any more, and nothing stays on the screen. */
function leave() {
  left = true;
  current?.events.close();
  current = null;
  clearPage();
  setTitle(word("signed-out"));
  setSign("");
}

/** @returns {Promise<Record<string, any>>} */
function readConversation() {
  return call("GET", `${API}/conversations/${page.conversation}`);
}

/**
 * Take over what only the server knows: the title, and the markdown that Copy copies.
 *
 * @param {Answer} answer
 * @param {Record<string, any>} conversation
 */
function settle(answer, conversation) {
  const message = messageOf(conversation, answer.run);
  if (message) answer.setSource(message.text);
  if (conversation.title) entitle(conversation.title);
}

/**
 * Call the conversation `title` wherever it is named.
 *
 * @param {string} title
 */
function entitle(title) {
  element("title").textContent = title;
  setTitle(title);
  nameConversation(page.conversation, title);
}

/**
 * @param {Record<string, any>} conversation
 * @param {string} run
 */
function messageOf(conversation, run) {
  return conversation.messages.find((/** @type {any} */ message) => message.run?.id === run);
}

/**
 * The events of a run cannot be read any more: ask the server what became of it.
 *
 * @param {string} id
 * @param {Answer} answer
 * @returns {Promise<boolean>} whether to try to read them again
 */
async function lookAfter(id, answer) {
  try {
    const conversation = await readConversation();
    if (conversation.active_run === id) return true;
    const message = messageOf(conversation, id);
    if (message) answer.replace(message);
    else answer.show("failed");
    runIsOver(answer, message?.run ?? { status: "failed" });
    return false;
  } catch (error) {
    const failure = failureOf(error);
    if (failure.willPass) return true;
    if (failure.kind === "sign-in") {
      leave();
    } else if (failure.kind === "refused") {
      answer.show("failed", { notice: failure.message });
      runIsOver(answer, { status: "failed" });
    } else {
      banner.show(failure);
    }
    return false;
  }
}

/** Stop the answer that is being made. */
async function stop() {
  if (!current) {
    stopEarly = true;
    return;
  }
  const { id, answer } = current;
  if (answer.element.dataset.status === "stopping") return;
  answer.show("stopping");
  try {
    await call("POST", `${API}/runs/${id}/stop`);
  } catch (error) {
    const failure = failureOf(error);
    if (current?.id !== id) return; // it ended meanwhile, which is what was wanted
    answer.show(answer.progress());
    banner.show(failure);
  }
}

/**
 * Ask for the same answer again.
 *
 * @param {Answer} answer
 */
async function retry(answer) {
  if (current || composer?.busy) return;
  goOn();
  try {
    const { run } = await call("POST", `${API}/runs/${answer.run}/retry`);
    answer.begin(run.id);
    thread.last = answer;
    follow(run.id, run.events, true);
    tellOthers();
    composer?.field.focus();
    if (stopEarly) stop();
  } catch (error) {
    composer?.setBusy(false);
    await explain(failureOf(error));
  }
}

/**
 * @param {string} text
 * @param {HTMLElement} button
 */
async function copy(text, button) {
  const copied = await copyText(text);
  announce(word(copied ? "copied" : "not-copied"));
  button.classList.toggle("is-copied", copied);
  setTimeout(() => button.classList.remove("is-copied"), COPIED_MS);
}

element("thread").addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-action]") : null;
  const answer = button && thread.answerAround(button);
  if (!(button instanceof HTMLElement) || !answer) return;
  if (button.dataset.action === "copy") copy(answer.source, button);
  if (button.dataset.action === "copy-code") copy(codeBeside(button), button);
  if (button.dataset.action === "retry") retry(answer);
});

hearApprovals(
  element("thread"),
  (button) => thread.answerAround(button)?.run ?? "",
  (error) => show(failureOf(error)),
);
hearConsents(element("thread"), (error) => show(failureOf(error)));
hearFeedback(element("thread"), show);
hearEdits(element("thread"), explain);

// Other tabs

/**
 * Show the conversation as it stands at the server, and follow the answer that is being made.
 *
 * @param {Record<string, any>} conversation
 * @returns {boolean} whether the page was behind
 */
function takeOver(conversation) {
  const wasBehind = thread.show(conversation.messages);
  offerCodes(element("thread"));
  if (wasBehind && conversation.title) entitle(conversation.title);
  if (conversation.active_run) {
    follow(conversation.active_run, `${API}/runs/${conversation.active_run}/events`, false);
  }
  return wasBehind;
}

/**
 * Read the conversation anew, with which another tab may have gone on.
 *
 * @returns {Promise<boolean>} whether it had
 * @throws {CallFailed}
 */
async function catchUp() {
  const before = turns;
  const conversation = await readConversation();
  return !left && !current && before === turns && takeOver(conversation);
}

/**
 * Say why something did not work. Where that is because another tab has gone on with the
 * conversation, the page catches up with it.
 *
 * @param {CallFailed} failure
 */
async function explain(failure) {
  try {
    if (failure.status === CONFLICT && (await catchUp())) {
      banner.say(word("went-on"));
      return;
    }
  } catch (error) {
    failureOf(error);
  }
  banner.show(failure);
}

/** Look whether another tab has gone on, or signed out. While a run is followed, it tells. */
async function lookAround() {
  if (left || looking || current || composer?.busy) return;
  looking = true;
  try {
    if (page.conversation) await catchUp();
    else await call("GET", `${API}/agents`);
  } catch (error) {
    if (failureOf(error).kind === "sign-in") leave();
  } finally {
    looking = false;
  }
}

hearTabs((told) => {
  if (told.said === "signed-out") leave();
  else if (told.conversation === page.conversation) lookAround();
});
document.addEventListener("daiko:renamed", (event) => {
  if (event instanceof CustomEvent) entitle(event.detail);
});
document.addEventListener("visibilitychange", () => document.hidden || lookAround());
addEventListener("focus", lookAround);
addEventListener("pageshow", (event) => event.persisted && lookAround());
addEventListener("resize", () => makeReachable(document));

offerCodes(document);
makeReachable(document);
composer?.restore((clientKey) => thread.has(clientKey));
if (page.run) follow(page.run, page.runEvents, false);
scroll.toEnd();
if (matchMedia("(hover: hover)").matches) composer?.field.focus({ preventScroll: true });
