// Enter in a field of several lines: it sends, and Shift+Enter starts a new line.

/**
 * @param {KeyboardEvent} event
 * @returns {boolean} whether it means to send
 */
export function isSendingEnter(event) {
  // While an input method composes (Japanese, ...) Enter chooses a candidate; Safari reports that
  // last Enter as key code 229 with isComposing already false.
  const composes = event.isComposing || event.keyCode === 229;
  return event.key === "Enter" && !event.shiftKey && !composes;
}
