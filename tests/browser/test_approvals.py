"""An agent that asks before it does something waits for its person, in any tab, and hears once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.people import PATIENCE_MS, ask, open_agent, sign_in
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]
ASKED = "Remind me to call the bank"


def asked_by_the_planner(page: Page, world: World) -> Locator:
    """Ask for a reminder, and return the card with which the planner asks for approval."""
    sign_in(page, world, "bob")
    open_agent(page, world, "planner")
    ask(page, ASKED)
    card = page.get_by_role("region", name="Planner asks for your approval")
    expect(card).to_contain_text("Shall I remind you to call the bank?", timeout=PATIENCE_MS)
    return card


def answered(page: Page, words: str) -> None:
    expect(page.get_by_role("article").last).to_contain_text(words, timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)


def reminders(page: Page) -> str:
    ask(page, "What are my reminders?")
    expect(page.get_by_role("article")).to_have_count(4)
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)
    return page.get_by_role("article").last.inner_text()


def test_what_is_approved_in_a_second_tab_is_done_once(world: World, profile: Profile) -> None:
    context = profile()
    page = context.new_page()
    card = asked_by_the_planner(page, world)
    second = context.new_page()
    second.goto(page.url)
    expect(second.get_by_role("button", name="Approve")).to_be_visible(timeout=PATIENCE_MS)

    second.locator(".approval select").select_option("tomorrow")
    second.get_by_role("button", name="Approve").click()

    for tab in (page, second):
        answered(tab, "I shall remind you tomorrow to call the bank.")
        expect(tab.get_by_text("You approved this.")).to_be_visible()
    expect(card).to_have_count(0)
    page.reload()
    expect(page.get_by_text("You approved this.")).to_be_visible()
    assert reminders(page).count("call the bank (tomorrow)") == 1


def test_what_is_declined_by_keyboard_is_not_done(world: World, profile: Profile) -> None:
    page = profile().new_page()
    card = asked_by_the_planner(page, world)

    card.get_by_role("button", name="Decline").press("Enter")

    answered(page, "Then I do not keep that.")
    expect(page.get_by_text("You declined this.")).to_be_visible()
    assert "I remind you of nothing yet." in reminders(page)


def test_what_is_stopped_is_not_approved_and_the_next_question_is_answered(
    world: World, profile: Profile
) -> None:
    page = profile().new_page()
    card = asked_by_the_planner(page, world)

    page.get_by_role("button", name="Stop").click()

    expect(card).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.get_by_role("main")).to_contain_text("stopped waiting for your answer")
    assert "I remind you of nothing yet." in reminders(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_card_keeps_nobody_out_and_fits(
    world: World, profile: Profile, theme: Any, width: int
) -> None:
    page = profile().new_page()
    card = asked_by_the_planner(page, world)
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")

    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    card.get_by_role("button", name="Decline").click()
    answered(page, "Then I do not keep that.")
