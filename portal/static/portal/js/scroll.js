// The page follows the newest words only while the reader is at the end.
//
// A request for consent is to be read from its top: while one is open, that is as far as it goes.

const NEAR_PX = 120;

/**
 * How far down the page goes by itself.
 *
 * @param {HTMLElement} thread
 * @returns {number}
 */
function endOf(thread) {
  const root = document.documentElement;
  const bottom = root.scrollHeight - root.clientHeight;
  const card = thread.querySelector(".consent:is([data-state=pending], [data-state=completing])");
  if (!card) return bottom;
  const margin = Number.parseFloat(getComputedStyle(card).scrollMarginBlockStart) || 0;
  return Math.min(bottom, card.getBoundingClientRect().top + window.scrollY - margin);
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

  // At once: a smooth scroll would lag behind a stream.
  const follow = () => {
    if (following) window.scrollTo({ top: endOf(thread), behavior: "instant" });
  };
  const resume = () => {
    following = true;
    jump.hidden = true;
    follow();
  };
  window.addEventListener(
    "scroll",
    () => {
      following = endOf(thread) - window.scrollY < NEAR_PX;
      jump.hidden = following;
    },
    { passive: true },
  );
  window.addEventListener("resize", follow);
  new ResizeObserver(follow).observe(thread);
  jump.addEventListener("click", resume);
  return { toEnd: resume };
}
