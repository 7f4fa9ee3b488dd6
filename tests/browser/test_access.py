"""Who may use an agent, and how soon a change takes effect."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.people import PATIENCE_MS, ask, open_agent, sign_in
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]
TAKES_EFFECT_MS = 1000  # what is promised


def switch(admin: Page, world: World, name: str, *, enabled: bool) -> None:
    """Switch an agent on or off on its admin page."""
    admin.goto(f"{world.url}/admin/agents/agent/")
    admin.get_by_role("link", name=name.capitalize()).first.click()
    box = admin.get_by_role("checkbox", name="Enabled")
    box.set_checked(enabled)
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_text("was changed successfully")).to_be_visible()


def test_a_switched_off_agent_is_refused_within_a_second_in_words(
    world: World, profile: Profile
) -> None:
    admin, page = profile().new_page(), profile().new_page()
    sign_in(admin, world, "alice")
    sign_in(page, world, "bob")
    open_agent(page, world, "greeter")
    ask(page, "Who am I?")
    expect(page.get_by_role("main")).to_contain_text("Hello, Bob", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)
    try:
        switch(admin, world, "greeter", enabled=False)
        page.wait_for_timeout(TAKES_EFFECT_MS)

        ask(page, "Who am I now?")

        expect(page.get_by_role("main")).to_contain_text(
            "This agent has been switched off by an administrator", timeout=PATIENCE_MS
        )
        assert page.get_by_text("Hello, Bob").count() == 1
    finally:
        switch(admin, world, "greeter", enabled=True)


def test_an_agent_that_is_not_for_somebody_does_not_exist_for_them(
    world: World, profile: Profile
) -> None:
    page = profile().new_page()
    sign_in(page, world, "charlie")

    expect(page.get_by_role("main")).to_contain_text("Greeter")
    expect(page.get_by_role("main")).not_to_contain_text("Concierge")
    answer = page.goto(f"{world.url}/chat/new/{world.agent('concierge')['id']}/")
    assert answer is not None
    assert answer.status == 404


def test_somebody_elses_conversation_does_not_exist(world: World, profile: Profile) -> None:
    bob, charlie = profile().new_page(), profile().new_page()
    sign_in(bob, world, "bob")
    open_agent(bob, world, "greeter")
    ask(bob, "Who am I?")
    expect(bob.get_by_role("main")).to_contain_text("Hello, Bob", timeout=PATIENCE_MS)

    sign_in(charlie, world, "charlie")
    answer = charlie.goto(bob.url)

    assert answer is not None
    assert answer.status == 404


def test_the_admin_pages_are_for_admins(world: World, profile: Profile) -> None:
    page = profile().new_page()
    sign_in(page, world, "bob")

    answer = page.goto(f"{world.url}/admin/")

    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("heading", name="This page is for administrators")).to_be_visible()
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    page.get_by_role("main").get_by_role("link", name="Go to the chat").click()
    expect(page.get_by_role("heading", name="Who should act for you?")).to_be_visible()
