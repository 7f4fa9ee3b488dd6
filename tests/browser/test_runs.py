"""A turn goes on whatever the tab does, and ends when somebody says so."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.in_words import Visit
from tests.browser.people import PATIENCE_MS

LONG = 300


def numbers_on(page: Page) -> list[int]:
    """Return what the agent has counted so far, as it stands on the page."""
    text = page.get_by_role("article").last.inner_text()
    return [int(number) for number in re.findall(r"\b\d+\b", text)]


def start_counting(visitor: Visit, to: int) -> None:
    """Sign in, and let the greeter begin to count."""
    visitor.sign_in("bob")
    visitor.choose("Greeter")
    visitor.ask(f"Count to {to}")
    expect(visitor.main).to_contain_text("1 2 3 4 5 6 7 8", timeout=PATIENCE_MS)


def has_counted(page: Page, to: int) -> None:
    """Wait for the end, and see each number once."""
    expect(page.get_by_role("main")).to_contain_text(f"{to - 1} {to}", timeout=PATIENCE_MS)
    assert numbers_on(page)[:to] == list(range(1, to + 1))


def test_a_reload_in_the_middle_loses_nothing_and_repeats_nothing(visitor: Visit) -> None:
    start_counting(visitor, LONG)

    visitor.page.reload()

    has_counted(visitor.page, LONG)


def test_a_closed_tab_does_not_stop_the_answer(visitor: Visit) -> None:
    start_counting(visitor, LONG)
    where = visitor.page.url
    visitor.page.close()

    later = visitor.context.new_page()
    later.goto(where)

    has_counted(later, LONG)


def test_a_second_tab_shows_the_same_answer(visitor: Visit) -> None:
    start_counting(visitor, LONG)

    second = visitor.context.new_page()
    second.goto(visitor.page.url)

    for tab in (visitor.page, second):
        has_counted(tab, LONG)


def test_stop_ends_the_answer_and_keeps_what_there_is(visitor: Visit) -> None:
    start_counting(visitor, 1000)

    visitor.press("Stop")

    visitor.is_done()
    visitor.page.reload()
    counted = numbers_on(visitor.page)
    assert 8 <= len(counted) < 1000
    assert counted == list(range(1, len(counted) + 1))


def test_signing_out_in_one_tab_clears_the_others(visitor: Visit) -> None:
    start_counting(visitor, 1000)

    other = Visit(visitor.world, visitor.context, visitor.looks)
    other.page.goto(f"{visitor.world.url}/connections/")
    other.open_menu()
    other.press("Sign out")

    visitor.reads("You are signed out")
    expect(visitor.link("Sign in")).to_be_visible()
    expect(visitor.page.locator("body")).not_to_contain_text("1 2 3 4")
    visitor.fits()
