// What scrolls sideways (code, wide tables, formulas) can be reached, and so scrolled, by keyboard.

/** @param {ParentNode} root */
export function makeReachable(root) {
  for (const box of root.querySelectorAll(".prose:has(math), .prose :is(pre, table, .formula)")) {
    if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
    else box.removeAttribute("tabindex");
  }
}
