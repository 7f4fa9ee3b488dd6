// Calls to /api/v1/, and the four ways in which they fail.

const TIMEOUT_MS = 30_000;

/** Why a call failed: `kind` decides what the page offers. */
export class CallFailed extends Error {
  /**
   * @param {"sign-in" | "stale-page" | "unreachable" | "refused"} kind
   * @param {string} [message] a sentence from the server, for the person
   * @param {number} [status]
   */
  constructor(kind, message = "", status = 0) {
    super(message);
    this.kind = kind;
    this.status = status;
  }

  /**
   * @param {string} name
   * @returns {CallFailed} the same failure, which says of what it tells
   */
  about(name) {
    return new CallFailed(this.kind, this.message && `${name}: ${this.message}`, this.status);
  }

  /** @returns {boolean} whether the same call may well succeed in a moment */
  get willPass() {
    return this.kind === "unreachable" || this.status >= 500;
  }
}

/** @returns {string} the token that Django put into the page's form */
function csrfToken() {
  const field = document.querySelector("input[name=csrfmiddlewaretoken]");
  return field instanceof HTMLInputElement ? field.value : "";
}

/**
 * @param {Response} response
 * @returns {Promise<Record<string, any>>}
 */
async function readJson(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

/**
 * The JSON that the site answers; {} where it answers nothing.
 *
 * @param {"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<Record<string, any>>}
 * @throws {CallFailed}
 */
export async function call(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (method !== "GET") {
    headers["Content-Type"] = "application/json";
    headers["X-CSRFToken"] = csrfToken();
  }
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: method !== "GET" ? JSON.stringify(body ?? {}) : undefined,
      credentials: "same-origin",
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new CallFailed("unreachable");
  }
  // A redirect can only lead to a sign-in page: the API itself never redirects.
  if (response.type === "opaqueredirect") throw new CallFailed("sign-in");
  return answerOf(response.status, await readJson(response));
}

/**
 * @param {number} status
 * @param {Record<string, any>} answer
 * @returns {Record<string, any>}
 * @throws {CallFailed}
 */
function answerOf(status, answer) {
  if (status >= 200 && status < 300) return answer;
  if (status === 401) throw new CallFailed("sign-in");
  if (status === 403) throw new CallFailed("stale-page");
  throw new CallFailed("refused", typeof answer.message === "string" ? answer.message : "", status);
}

/**
 * Post `file`, and tell as it goes how much of it has left; `fetch` does not say.
 *
 * @param {string} path
 * @param {File} file
 * @param {{told: (part: number) => void, signal: AbortSignal}} on
 * @returns {Promise<Record<string, any>>}
 * @throws {CallFailed}
 */
export async function upload(path, file, { told, signal }) {
  const request = new XMLHttpRequest();
  request.open("POST", path);
  request.responseType = "json";
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.setRequestHeader("X-CSRFToken", csrfToken());
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) told(event.loaded / event.total);
  });
  signal.addEventListener("abort", () => request.abort());
  await new Promise((resolve) => {
    request.addEventListener("loadend", resolve);
    request.send(file);
  });
  if (!request.status) throw new CallFailed("unreachable");
  return answerOf(request.status, request.response ?? {});
}
