"""What a tool did is there to be looked at: while it is told, after a reload, and by keyboard."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.people import PATIENCE_MS, ask_without_a_grant, connect
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]


def look_at_the_tool(page: Page) -> str:
    """Open the line of the only tool by keyboard, and return all that it says."""
    line = page.locator(".answer summary")
    expect(line).to_have_count(1)
    expect(line).to_contain_text(" s")
    line.press("Enter")
    about = page.locator(".answer details")
    expect(about.get_by_text("Ended")).to_be_visible()
    return about.inner_text()


def test_a_tool_tells_which_service_it_used_and_with_which_scopes(
    world: World, profile: Profile
) -> None:
    context = profile()
    page = context.new_page()
    ask_without_a_grant(page, world, "alice")
    connect(context, page, world, "alice")
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)

    told = look_at_the_tool(page)
    page.reload()

    for words in ("list_calendar_events", "Acme Calendar", "calendar.read"):
        assert words in told
    again = look_at_the_tool(page)
    assert again.partition("Ended")[0] == told.partition("Ended")[0]
