"""Consent that is refused, forwarded or repeated."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.people import (
    PATIENCE_MS,
    QUESTION,
    ask_without_a_grant,
    consent_page,
    disconnect_all,
    sign_in,
)
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]


def test_denying_ends_the_turn_with_a_clear_sentence_and_connects_nothing(
    world: World, profile: Profile
) -> None:
    context = profile()
    page = context.new_page()
    ask_without_a_grant(page, world, "alice")

    acme = consent_page(context, page, world, "alice")
    acme.get_by_role("button", name="Deny").click()
    expect(acme.get_by_text("close this tab")).to_be_visible(timeout=PATIENCE_MS)

    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("link", name="Connect", exact=True)).to_have_count(0)
    said = page.get_by_text("You did not allow Concierge to use Acme Calendar.")
    expect(said).to_have_count(1)
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    page.reload()
    expect(said).to_have_count(1)
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    page.goto(f"{world.url}/connections/")
    expect(page.get_by_role("main")).to_contain_text("Nothing is connected")


def test_a_forwarded_consent_link_is_refused_to_somebody_else(
    world: World, profile: Profile
) -> None:
    page = profile().new_page()
    ask_without_a_grant(page, world, "alice")
    link = page.get_by_role("link", name="Connect", exact=True).get_attribute(
        "href", timeout=PATIENCE_MS
    )
    assert link is not None

    other = profile().new_page()
    sign_in(other, world, "bob")
    other.goto(link if link.startswith("http") else world.url + link)

    expect(other.get_by_role("main")).to_contain_text("somebody else")
    assert other.url.startswith(world.url)  # Acme Calendar was never reached
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)


def test_whoever_comes_back_to_a_finished_consent_reads_that_they_are_connected(
    world: World, profile: Profile
) -> None:
    context = profile()
    page = context.new_page()
    ask_without_a_grant(page, world, "alice")
    acme = consent_page(context, page, world, "alice")
    callbacks: list[str] = []
    acme.on("request", lambda request: callbacks.append(request.url))
    acme.get_by_role("button", name="Allow").click()
    connected = acme.get_by_role("heading", name="Acme Calendar is connected")
    expect(connected).to_be_visible(timeout=PATIENCE_MS)
    done, [callback] = acme.url, [url for url in callbacks if "/identities/oauth2/callback/" in url]

    acme.reload()
    expect(connected).to_be_visible()
    acme.goto(callback)
    expect(connected).to_be_visible()
    acme.get_by_role("main").get_by_role("link", name="Back to the chat").click()
    expect(acme.get_by_text(QUESTION).first).to_be_visible()

    other = profile().new_page()
    sign_in(other, world, "bob")
    for url in (done, callback):
        other.goto(url)
        expect(other.get_by_role("main")).to_contain_text("nothing was connected", ignore_case=True)
        expect(other.get_by_role("main")).not_to_contain_text("Acme")
    disconnect_all(page, world)
    acme.goto(done)
    expect(acme.get_by_role("heading", name="This link was used before")).to_be_visible()


def shapes_of(page: Page) -> list[str]:
    """Return what stands in the answer, in its order, once the tool that waits is there too."""
    expect(page.locator(".tool")).to_be_visible(timeout=PATIENCE_MS)
    parts = page.locator(".answer__flow > *")
    return [str(part.get_attribute("class")) for part in parts.all()]


def test_the_consent_card_is_where_it_was_after_a_reload_and_is_closed_by_stop(
    world: World, profile: Profile
) -> None:
    page = profile().new_page()
    ask_without_a_grant(page, world, "alice")
    card = page.get_by_role("link", name="Connect", exact=True)
    expect(card).to_be_visible(timeout=PATIENCE_MS)

    link = card.get_attribute("href")
    before = shapes_of(page)

    page.reload()

    expect(card).to_be_visible(timeout=PATIENCE_MS)
    expect(card).to_have_count(1)
    assert shapes_of(page) == before
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=PATIENCE_MS)
    page.goto(str(link))
    expect(page.get_by_role("heading", name="This request was closed")).to_be_visible()
