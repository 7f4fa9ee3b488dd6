// One run's events, over a connection that may break.
//
// The browser's EventSource reconnects by itself and sends Last-Event-ID. Where it gives up (the
// server answered something else than a stream), this module asks the page what to do and, if told
// so, opens a new one, which replays the run from its beginning; what was seen is passed over.

const EVENTS = ["status", "block", "part", "finished", "signed_out"];
const LAST = ["finished", "signed_out"];
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15_000;
const QUIET_MS = 1_200; // a break shorter than this is not worth a word

/**
 * @typedef {object} Listener
 * @property {(name: string, data: Record<string, any>) => void} event
 * @property {(broken: boolean) => void} broken     the connection is away, or back
 * @property {() => Promise<boolean>} givenUp       says whether to try again
 */

/**
 * Read the events at `url` until the run has finished, the person is signed out, or `close` is
 * called.
 *
 * @param {string} url
 * @param {Listener} listener
 * @returns {{close: () => void}}
 */
export function followRun(url, listener) {
  /** @type {EventSource | null} */
  let source = null;
  /** @type {Set<string>} */
  const seen = new Set();
  let closed = false;
  let waitMs = FIRST_WAIT_MS;
  let note = 0;
  let retry = 0;

  const settle = () => {
    clearTimeout(note);
    note = 0;
    listener.broken(false);
  };

  const close = () => {
    if (closed) return;
    closed = true;
    clearTimeout(retry);
    removeEventListener("online", open);
    source?.close();
    settle();
  };

  const openAgain = async () => {
    const again = await listener.givenUp();
    if (closed) return;
    if (!again) {
      close();
      return;
    }
    retry = window.setTimeout(open, waitMs);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  };

  function open() {
    if (closed) return;
    clearTimeout(retry);
    source?.close();
    const current = new EventSource(url);
    source = current;
    current.addEventListener("open", () => {
      waitMs = FIRST_WAIT_MS;
      settle();
    });
    current.addEventListener("error", () => {
      note ||= window.setTimeout(() => listener.broken(true), QUIET_MS);
      if (current.readyState === EventSource.CLOSED) openAgain();
    });
    for (const name of EVENTS) {
      current.addEventListener(name, (event) => {
        if (closed || current !== source || seen.has(event.lastEventId)) return;
        if (event.lastEventId) seen.add(event.lastEventId);
        listener.event(name, JSON.parse(event.data));
        if (LAST.includes(name)) close();
      });
    }
  }

  // After sleep or a change of network an old connection may hang for minutes without an error.
  addEventListener("online", open);
  open();
  return { close };
}
