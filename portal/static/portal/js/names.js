// What the stock admin leaves without a name gets the one that stands beside it, for who hears the
// page instead of seeing it.

/** @param {ParentNode} root */
function nameAll(root) {
  for (const field of root.querySelectorAll(".related-widget-wrapper, .select2-container")) {
    nameChooser(field);
  }
  for (const input of root.querySelectorAll(".datetime input")) {
    name(input, wordsOf(rowLabel(input)), input.previousSibling?.textContent);
  }
  for (const cell of root.querySelectorAll(".tabular td")) nameCell(cell);
  for (const head of root.querySelectorAll(".tabular th")) nameHead(head);
  // Of the stock script that lets choose several: a mark with a name and no role that may have one.
  for (const mark of root.querySelectorAll("span.help-tooltip")) mark.setAttribute("role", "img");
  const search = root.querySelector("#searchbar");
  const button = search?.parentElement?.querySelector("[type=submit]")?.getAttribute("value");
  if (search && button) {
    name(search, button);
    search.parentElement?.querySelector("label img")?.setAttribute("alt", button);
  }
}

/** @param {Element} field   a field with which one searches for what is chosen */
function nameChooser(field) {
  const words = wordsOf(rowLabel(field));
  for (const part of field.querySelectorAll(".select2-selection, .select2-search__field")) {
    name(part, words);
  }
  for (const chosen of field.querySelectorAll(".select2-selection__rendered[role=textbox]")) {
    name(chosen, words);
  }
}

/** @param {Element} head   of a table in which each row is edited */
function nameHead(head) {
  if (wordsOf(head)) return;
  const heading = head.closest("fieldset")?.querySelector("h2");
  if (head.matches(".original")) head.append(unseen(wordsOf(heading)));
  else head.remove(); // of the column to delete with, where nothing can be deleted
}

/** @param {Element} cell   of a table in which each row is edited */
function nameCell(cell) {
  const row = /** @type {HTMLTableRowElement | null} */ (cell.closest("tr"));
  const heads = cell.closest("table")?.querySelectorAll("thead th") ?? [];
  // The first head stands above the row's own name and its hidden fields.
  const shown = [...(row?.cells ?? [])].filter((each) => !each.matches(".original"));
  const head = [...heads].filter((each) => !each.matches(".original"))[shown.indexOf(/** @type {any} */ (cell))];
  for (const input of cell.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    name(input, wordsOf(head), wordsOf(row?.querySelector(".original p")));
  }
}

/**
 * @param {Element} element
 * @param {(string | null | undefined)[]} words
 */
function name(element, ...words) {
  const said = words.filter(Boolean).join(" ").trim();
  if (said && !element.closest("label")) element.setAttribute("aria-label", said);
}

/** @param {string} words */
function unseen(words) {
  const span = document.createElement("span");
  span.className = "visually-hidden";
  span.textContent = words;
  return span;
}

/** @param {Element} within */
function rowLabel(within) {
  return within.closest(".form-row, .fieldBox")?.querySelector("label, legend");
}

/** @param {Element | null | undefined} element */
function wordsOf(element) {
  return element?.textContent?.trim().replace(/:$/, "") ?? "";
}

// After the stock scripts, which make their parts when the page has loaded.
addEventListener("load", () => setTimeout(() => nameAll(document)));
document.addEventListener("formset:added", (event) => {
  setTimeout(() => nameAll(/** @type {Element} */ (event.target).parentElement ?? document));
});
