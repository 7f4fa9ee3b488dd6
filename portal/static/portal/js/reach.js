// What scrolls sideways (code, wide tables) can be reached, and so scrolled, by keyboard.

/** @param {ParentNode} root */
export function makeReachable(root) {
  for (const box of root.querySelectorAll(".prose :is(pre, table)")) {
    if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
    else box.removeAttribute("tabindex");
  }
}
