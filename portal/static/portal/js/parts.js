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

/** @type {WeakMap<HTMLElement, {element: Element, states: string[], place: Comment}[]>} */
const conditional = new WeakMap();

/** @param {HTMLElement} root */
function piecesOf(root) {
  const kept = conditional.get(root);
  if (kept) return kept;
  const pieces = Array.from(root.querySelectorAll("[data-when]"), (element) => ({
    element,
    states: (element.getAttribute("data-when") ?? "").split(" "),
    place: document.createComment(""),
  }));
  conditional.set(root, pieces);
  return pieces;
}

/**
 * Of everything marked `data-when`, have only what belongs to `state` on the page. The rest is
 * taken out, not just hidden: nobody, and no search in the page, finds words that do not apply.
 *
 * @param {HTMLElement} root
 * @param {string} state
 */
export function showWhen(root, state) {
  for (const { element, states, place } of piecesOf(root)) {
    if (states.includes(state)) place.replaceWith(element);
    else element.replaceWith(place);
  }
}
