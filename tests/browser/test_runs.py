"""A turn goes on whatever the tab does, and ends when somebody says so."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.people import PATIENCE_MS, ask, open_agent, sign_in
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]
LONG = 300


def numbers_on(page: Page) -> list[int]:
    """Return what the agent has counted so far, as it stands on the page."""
    text = page.get_by_role("article").last.inner_text()
    return [int(number) for number in re.findall(r"\b\d+\b", text)]


def start_counting(page: Page, world: World, to: int) -> None:
    open_agent(page, world, "greeter")
    ask(page, f"Count to {to}")
    expect(page.get_by_role("main")).to_contain_text("1 2 3 4 5 6 7 8", timeout=PATIENCE_MS)


def test_a_reload_in_the_middle_loses_nothing_and_repeats_nothing(
    world: World, profile: Profile
) -> None:
    page = profile().new_page()
    sign_in(page, world, "bob")
    start_counting(page, world, LONG)

    page.reload()

    expect(page.get_by_role("main")).to_contain_text(f"{LONG - 1} {LONG}", timeout=PATIENCE_MS)
    assert numbers_on(page)[:LONG] == list(range(1, LONG + 1))


def test_a_closed_tab_does_not_stop_the_answer(world: World, profile: Profile) -> None:
    context = profile()
    page = context.new_page()
    sign_in(page, world, "bob")
    start_counting(page, world, LONG)
    where = page.url
    page.close()

    later = context.new_page()
    later.goto(where)

    expect(later.get_by_role("main")).to_contain_text(f"{LONG - 1} {LONG}", timeout=PATIENCE_MS)
    assert numbers_on(later)[:LONG] == list(range(1, LONG + 1))


def test_a_second_tab_shows_the_same_answer(world: World, profile: Profile) -> None:
    context = profile()
    page = context.new_page()
    sign_in(page, world, "bob")
    start_counting(page, world, LONG)

    second = context.new_page()
    second.goto(page.url)

    for tab in (page, second):
        expect(tab.get_by_role("main")).to_contain_text(f"{LONG - 1} {LONG}", timeout=PATIENCE_MS)
        assert numbers_on(tab)[:LONG] == list(range(1, LONG + 1))


def test_stop_ends_the_answer_and_keeps_what_there_is(world: World, profile: Profile) -> None:
    page = profile().new_page()
    sign_in(page, world, "bob")
    start_counting(page, world, 1000)

    page.get_by_role("button", name="Stop").click()

    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)
    page.reload()
    counted = numbers_on(page)
    assert 8 <= len(counted) < 1000
    assert counted == list(range(1, len(counted) + 1))


def test_signing_out_in_one_tab_clears_the_others(world: World, profile: Profile) -> None:
    context = profile()
    page, other = context.new_page(), context.new_page()
    sign_in(page, world, "bob")
    start_counting(page, world, 1000)

    other.goto(f"{world.url}/connections/")
    other.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible(
        timeout=PATIENCE_MS
    )
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("1 2 3 4")
