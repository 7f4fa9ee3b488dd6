// The page follows the newest words only while the reader is at the end.

const NEAR_PX = 120;

/** @returns {boolean} */
function atEnd() {
  const root = document.documentElement;
  return root.scrollHeight - root.clientHeight - window.scrollY < NEAR_PX;
}

/** Go to the end of the page, at once: a smooth scroll would lag behind a stream. */
function goToEnd() {
  window.scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
}

/**
 * Follow what grows inside `thread`; `jump` appears when the reader has scrolled away.
 *
 * @param {HTMLElement} thread
 * @param {HTMLElement} jump
 * @returns {{toEnd: () => void}}
 */
export function followEnd(thread, jump) {
  let following = true;

  const resume = () => {
    following = true;
    jump.hidden = true;
    goToEnd();
  };
  window.addEventListener(
    "scroll",
    () => {
      following = atEnd();
      jump.hidden = following;
    },
    { passive: true },
  );
  new ResizeObserver(() => {
    if (following) goToEnd();
  }).observe(thread);
  jump.addEventListener("click", resume);
  return { toEnd: resume };
}
