// The words of the page. They are written, and translated, in its <template data-words> elements.

/** @type {Map<string, string>} */
const words = new Map();

for (const source of document.querySelectorAll("template[data-words]")) {
  if (!(source instanceof HTMLTemplateElement)) continue;
  for (const element of source.content.querySelectorAll("[data-word]")) {
    words.set(element.getAttribute("data-word") ?? "", element.textContent.trim());
  }
}

/**
 * The sentence with its {places} filled in.
 *
 * @param {string} sentence
 * @param {Record<string, string>} values
 * @returns {string}
 */
function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

/**
 * The words kept under `name`, in the language of the page.
 *
 * @param {string} name
 * @param {Record<string, string>} [values]
 * @returns {string}
 */
export function word(name, values = {}) {
  return fill(words.get(name) ?? "", values);
}
