"""The main job, in a real browser against the running demo."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, expect

from demo.acme.roster import ACCOUNTS
from tests.browser.people import (
    PATIENCE_MS,
    QUESTION,
    ask,
    ask_without_a_grant,
    connect,
    disconnect,
    disconnect_all,
    open_agent,
    sign_in,
)
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]


def events_of(username: str) -> list[str]:
    account = next(each for each in ACCOUNTS if each.email.startswith(username))
    return [entry.title for entry in account.today]


def test_bob_is_asked_for_consent_and_the_same_turn_answers_with_his_own_calendar(
    world: World, profile: Profile
) -> None:
    context = profile()
    page = context.new_page()
    ask_without_a_grant(page, world, "bob")
    connect(context, page, world, "bob")

    answer = page.get_by_role("main")
    for title in events_of("bob"):
        expect(answer).to_contain_text(title, timeout=PATIENCE_MS)
    for title in events_of("alice"):
        expect(answer).not_to_contain_text(title)
    assert page.get_by_text(QUESTION).count() >= 1
    expect(page.get_by_role("link", name="Connect", exact=True)).to_have_count(0)

    page.goto(f"{world.url}/connections/")
    expect(page.get_by_role("main")).to_contain_text("Acme Calendar")
    disconnect(page)
    expect(page.get_by_role("main")).to_contain_text("ended at Acme Calendar", timeout=PATIENCE_MS)

    open_agent(page, world, "concierge")
    ask(page, QUESTION)
    expect(page.get_by_role("link", name="Connect", exact=True)).to_be_visible(timeout=PATIENCE_MS)


def test_a_chain_of_agents_asks_in_the_chat_where_it_began_and_says_through_whom(
    world: World, profile: Profile
) -> None:
    context = profile()
    page = context.new_page()
    sign_in(page, world, "bob")
    disconnect_all(page, world)
    page.goto(world.url)
    expect(page.get_by_role("link", name="Planner")).to_be_visible()
    for name in ("Scheduler", "Calendar tools"):  # for programs
        expect(page.get_by_role("heading", name=name)).to_have_count(0)
    open_agent(page, world, "planner")
    ask(page, "When am I free today?")

    main = page.get_by_role("main")
    expect(main).to_contain_text("Calendar tools asks to use Acme Calendar", timeout=PATIENCE_MS)
    expect(main).to_contain_text("Calendar tools was called by Planner → Scheduler.")
    connect(context, page, world, "bob")

    expect(main).to_contain_text("you are free from 09:00 to 09:30", timeout=PATIENCE_MS)
    page.goto(f"{world.url}/connections/")
    expect(main).to_contain_text("for Calendar tools")
    disconnect(page)
