// The page follows the newest words only while the reader is at the end.
//
// A request for consent is to be read from its top: while one is open, that is as far as it goes.

const NEAR_PX = 120;

/**
 * How far down the page goes by itself. While a request for consent is open: as far as shows all of
 * it and the line below that says what is waited for, and above it as much as fits, from the
 * beginning of something.
 *
 * @param {HTMLElement} thread
 * @returns {number}
 */
function endOf(thread) {
  const root = document.documentElement;
  const bottom = root.scrollHeight - root.clientHeight;
  const card = thread.querySelector(".consent:is([data-state=pending], [data-state=completing])");
  const answer = card?.closest(".answer");
  if (!card || !answer) return bottom;
  const { scrollMarginBlockStart, scrollMarginBlockEnd } = getComputedStyle(card);
  const covered = thread.nextElementSibling?.clientHeight ?? 0;
  const line = answer.querySelector(".state:not([hidden])");
  const needed =
    (line ?? card).getBoundingClientRect().bottom +
    Number.parseFloat(scrollMarginBlockEnd) -
    (root.clientHeight - covered);
  const parts = Array.from(card.parentElement?.children ?? []);
  const starts = [answer.previousElementSibling, answer, ...parts.slice(0, parts.indexOf(card))]
    .concat(card)
    .map((start) => start?.getBoundingClientRect().top ?? 0)
    .map((top) => top - Number.parseFloat(scrollMarginBlockStart));
  const start = starts.find((top) => top >= needed) ?? starts[starts.length - 1];
  return Math.max(0, Math.min(bottom, start + window.scrollY));
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
  let at = window.scrollY;

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
      // Only who scrolls up leaves the end: what has grown since is no sign of it, and the event
      // of a scroll of ours may come after the growth.
      const up = window.scrollY < at;
      at = window.scrollY;
      if (endOf(thread) - at < NEAR_PX) following = true;
      else if (up) following = false;
      jump.hidden = following;
    },
    { passive: true },
  );
  window.addEventListener("resize", follow);
  new ResizeObserver(follow).observe(thread);
  jump.addEventListener("click", resume);
  return { toEnd: resume };
}
