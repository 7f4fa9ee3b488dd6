"""Tokens that expire, and parts that crash, in the middle of the journey."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.people import (
    PATIENCE_MS,
    QUESTION,
    ask,
    ask_without_a_grant,
    connect,
    open_agent,
)
from tests.fixtures.world import ACME_ACCESS_TOKEN_S, World

Profile = Callable[[], BrowserContext]
SOMETHING_OF_BOBS = "Quarterly review with Priya"


def test_after_idling_the_token_was_refreshed_once_and_nobody_is_asked_again(
    world: World, profile: Profile
) -> None:
    context = profile()
    page = context.new_page()
    ask_without_a_grant(page, world, "bob")
    connect(context, page, world, "bob")
    expect(page.get_by_role("main")).to_contain_text(SOMETHING_OF_BOBS, timeout=PATIENCE_MS)
    family = world.newest_family_at_acme()
    before = world.refreshes_at_acme(family)

    page.wait_for_timeout((ACME_ACCESS_TOKEN_S + 1) * 1000)  # by the token's own clock
    assert world.refreshes_at_acme(family) - before == 1
    open_agent(page, world, "concierge")
    ask(page, QUESTION)

    expect(page.get_by_role("main")).to_contain_text(SOMETHING_OF_BOBS, timeout=PATIENCE_MS)
    expect(page.get_by_role("link", name="Connect", exact=True)).to_have_count(0)


@pytest.mark.parametrize("part", ["site", "worker", "postgres", "redis"])
def test_a_crash_loses_nothing_that_was_granted(world: World, profile: Profile, part: str) -> None:
    context = profile()
    page = context.new_page()
    ask_without_a_grant(page, world, "bob")
    connect(context, page, world, "bob")
    expect(page.get_by_role("main")).to_contain_text(SOMETHING_OF_BOBS, timeout=PATIENCE_MS)

    world.kill(part)
    world.wait_until_answering()

    open_agent(page, world, "concierge")
    ask(page, QUESTION)
    expect(page.get_by_role("main")).to_contain_text(SOMETHING_OF_BOBS, timeout=PATIENCE_MS)
    expect(page.get_by_role("link", name="Connect", exact=True)).to_have_count(0)
