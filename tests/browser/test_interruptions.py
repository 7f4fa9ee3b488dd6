"""What may happen in the middle of an answer: nothing of it is lost, and nothing is there twice."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, expect

from tests.browser.network import network_to
from tests.browser.people import PATIENCE_MS, ask, fill_in_credentials, sign_in
from tests.browser.test_runs import numbers_on, start_counting
from tests.fixtures.world import World

Profile = Callable[[], BrowserContext]
LONG = 500
AWAY_MS = 10_000


def test_ten_seconds_without_a_network(world: World, profile: Profile) -> None:
    page = profile().new_page()
    sign_in(page, world, "bob")
    site = urlsplit(world.url)
    with network_to(site.port or 80) as network:
        # A cookie is of a host, whatever the port.
        page.goto(f"http://{site.hostname}:{network.port}/")
        page.get_by_role("main").get_by_role("link", name="Greeter").click()
        ask(page, f"Count to {LONG}")
        expect(page.get_by_role("main")).to_contain_text("1 2 3 4", timeout=PATIENCE_MS)

        network.cut()
        away = page.get_by_text("Reconnecting… Nothing is lost.")
        expect(away).to_be_visible(timeout=PATIENCE_MS)
        assert len(numbers_on(page)) < LONG
        page.wait_for_timeout(AWAY_MS)
        network.mend()

        expect(page.get_by_role("main")).to_contain_text(f"{LONG - 1} {LONG}", timeout=PATIENCE_MS)
        assert numbers_on(page)[:LONG] == list(range(1, LONG + 1))
        expect(away).to_be_hidden()


def test_a_sign_in_that_is_over_leads_back_to_the_answer_and_to_what_was_typed(
    world: World, profile: Profile
) -> None:
    context = profile()
    page = context.new_page()
    sign_in(page, world, "bob")
    start_counting(page, world, LONG)
    page.get_by_role("textbox", name="Message").fill("and then to a thousand")
    where = page.url

    context.clear_cookies()
    page.reload()
    fill_in_credentials(page, world, "bob")

    expect(page).to_have_url(where, timeout=PATIENCE_MS)
    expect(page.get_by_role("main")).to_contain_text(f"{LONG - 1} {LONG}", timeout=PATIENCE_MS)
    assert numbers_on(page)[:LONG] == list(range(1, LONG + 1))
    expect(page.get_by_role("textbox", name="Message")).to_have_value("and then to a thousand")


def test_a_site_that_is_killed_says_so_and_the_question_can_be_asked_again(
    world: World, profile: Profile
) -> None:
    page = profile().new_page()
    sign_in(page, world, "bob")
    start_counting(page, world, LONG)

    world.kill("site")
    world.wait_until_answering()

    retry = page.get_by_role("button", name="Retry", exact=True)
    expect(retry).to_be_visible(timeout=2 * PATIENCE_MS)
    counted = numbers_on(page)
    assert counted == list(range(1, len(counted) + 1))
    retry.click()
    expect(page.get_by_role("main")).to_contain_text(f"{LONG - 1} {LONG}", timeout=PATIENCE_MS)
    assert numbers_on(page)[:LONG] == list(range(1, LONG + 1))
    expect(page.get_by_role("article")).to_have_count(2)
