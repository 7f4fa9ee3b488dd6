// Pieces of markup from the page's <template> elements.

/**
 * A fresh copy of the one element in the template `id`.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function make(id) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  const copy = /** @type {DocumentFragment} */ (document.importNode(template.content, true));
  return /** @type {HTMLElement} */ (copy.firstElementChild);
}

/**
 * The element that plays the part `name` inside `root`.
 *
 * @param {ParentNode} root
 * @param {string} name
 * @returns {HTMLElement}
 */
export function part(root, name) {
  return /** @type {HTMLElement} */ (root.querySelector(`[data-part="${name}"]`));
}

/**
 * The button or link that does `name` inside `root`.
 *
 * @param {ParentNode} root
 * @param {string} name
 * @returns {HTMLElement}
 */
export function action(root, name) {
  return /** @type {HTMLElement} */ (root.querySelector(`[data-action="${name}"]`));
}
