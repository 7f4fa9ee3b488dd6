"""What the chat may weigh, and that nothing jumps while an answer comes."""

from __future__ import annotations

import gzip
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Response, expect

from tests.browser.people import PATIENCE_MS, ask, ask_without_a_grant, connect, open_agent
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]

MOST_BYTES = 150_000
MOST_REQUESTS = 40  # scripts and styles of their own files, from one server over few connections
# "Good" for the whole life of a page, by Web Vitals.
MOST_SHIFT = 0.1
# Kept from before anything is drawn. What follows upon a person's own act within half a second is
# not counted, as the measure has it.
WATCH = """
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!entry.hadRecentInput) window.shifts.push(entry.value);
    }
  }).observe({ type: "layout-shift", buffered: true });
"""


def gzipped(answer: Response) -> int:
    return len(gzip.compress(answer.body(), compresslevel=6))


def test_the_chat_is_light_and_keeps_still(world: World, profile: Profile) -> None:
    context = profile()
    page = context.new_page()
    ask_without_a_grant(page, world, "bob")
    connect(context, page, world, "bob")
    page.close()

    page = context.new_page()
    page.add_init_script(WATCH)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    answers: dict[str, Response] = {}
    page.on("response", lambda answer: answers.update({answer.url: answer}))
    open_agent(page, world, "concierge")
    page.wait_for_load_state("networkidle")
    weights = {url: gzipped(answer) for url, answer in answers.items()}
    ask(page, "What is on my calendar today?")
    expect(page.get_by_text("Quarterly review")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)

    assert 0 < sum(weights.values()) < MOST_BYTES, weights
    assert len(weights) < MOST_REQUESTS, weights
    assert sum(page.evaluate("window.shifts")) < MOST_SHIFT
    assert complaints == []
