// What was typed and not yet sent. It outlives a reload and an expired sign-in; signing out clears
// it.

const PREFIX = "daiko:draft:";

/**
 * @typedef {object} Draft
 * @property {string} text
 * @property {string} clientKey   the key under which this very text was sent before, or ""
 * @property {import("./files.js").File_[]} files   what was uploaded to go with it
 */

/**
 * Random UUID (version 4). Plain-http origins lack `crypto.randomUUID`, but not `getRandomValues`.
 *
 * @returns {string}
 */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

/**
 * The name under which a draft is kept: per person, and per conversation, or per agent before the
 * first message.
 *
 * @param {import("./page.js").Page} page
 * @returns {string}
 */
function nameOf(page) {
  const place = page.conversation || `new:${page.agent}`;
  return `${PREFIX}${page.person}:${place}`;
}

/**
 * @param {import("./page.js").Page} page
 * @returns {Draft}
 */
export function loadDraft(page) {
  try {
    const kept = JSON.parse(localStorage.getItem(nameOf(page)) ?? "{}");
    return {
      text: String(kept.text ?? ""),
      clientKey: String(kept.clientKey ?? ""),
      files: Array.isArray(kept.files) ? kept.files : [],
    };
  } catch {
    return { text: "", clientKey: "", files: [] };
  }
}

/**
 * Keep `draft`, or forget it where it is empty. A browser without storage keeps nothing, and the
 * chat still works.
 *
 * @param {import("./page.js").Page} page
 * @param {Draft} draft
 */
export function saveDraft(page, draft) {
  try {
    if (draft.text || draft.files.length) localStorage.setItem(nameOf(page), JSON.stringify(draft));
    else localStorage.removeItem(nameOf(page));
  } catch {
    // Storage is full or forbidden.
  }
}

/** Forget every draft on this device. */
export function clearDrafts() {
  try {
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(PREFIX)) localStorage.removeItem(name);
    }
  } catch {
    // Storage is forbidden, so there is nothing to forget.
  }
}
