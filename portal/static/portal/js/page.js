// What the server told this page about itself.

/**
 * @typedef {object} Page
 * @property {string} agent            the agent's id
 * @property {string} agentName
 * @property {string} conversation     "" until the first message is sent
 * @property {string} person           opaque; keeps one person's drafts from another's
 * @property {string} run              the run that goes on right now, or ""
 * @property {string} runEvents        where its events are, or ""
 * @property {string} signIn           where signing in begins
 */

/**
 * @param {HTMLElement} main
 * @returns {Page}
 */
export function readPage(main) {
  const data = main.dataset;
  return {
    agent: data.agent ?? "",
    agentName: data.agentName ?? "",
    conversation: data.conversation ?? "",
    person: data.person ?? "",
    run: data.run ?? "",
    runEvents: data.runEvents ?? "",
    signIn: data.signIn ?? "",
  };
}

/**
 * The link that signs in again and comes back to this very page.
 *
 * @param {Page} page
 * @returns {string}
 */
export function signInLink(page) {
  return `${page.signIn}?${new URLSearchParams({ next: location.pathname })}`;
}
