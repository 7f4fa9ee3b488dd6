// What one tab of this site tells the others at once: the browser hands it on, no server is asked.

/**
 * `kept`: the list of conversations is another one now.
 *
 * @typedef {{said: "signed-out"} | {said: "kept"} | {said: "went-on", conversation: string}} Told
 */

const channel = "BroadcastChannel" in window ? new BroadcastChannel("daiko") : null;

/** @param {Told} told */
export function tellTabs(told) {
  channel?.postMessage(told);
}

/**
 * Call `listener` with what other tabs tell; never with what this one does.
 *
 * @param {(told: Told) => void} listener
 */
export function hearTabs(listener) {
  channel?.addEventListener("message", (event) => listener(event.data));
}
