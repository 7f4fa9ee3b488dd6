"""What may happen in the middle of an answer: nothing of it is lost, and nothing is there twice."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.in_words import Visit
from tests.browser.network import network_to
from tests.browser.people import PATIENCE_MS
from tests.browser.test_runs import has_counted, numbers_on, start_counting

LONG = 500
AWAY_MS = 10_000


def test_ten_seconds_without_a_network(visitor: Visit) -> None:
    visitor.sign_in("bob")
    page, site = visitor.page, urlsplit(visitor.world.url)
    with network_to(site.port or 80) as network:
        # A cookie is of a host, whatever the port.
        page.goto(f"http://{site.hostname}:{network.port}/")
        visitor.main.get_by_role("link", name="Greeter").click()
        visitor.ask(f"Count to {LONG}")
        expect(visitor.main).to_contain_text("1 2 3 4", timeout=PATIENCE_MS)

        network.cut()
        away = page.get_by_text(visitor.words("Reconnecting… Nothing is lost."))
        expect(away).to_be_visible(timeout=PATIENCE_MS)
        assert len(numbers_on(page)) < LONG
        visitor.fits()
        page.wait_for_timeout(AWAY_MS)
        network.mend()

        has_counted(page, LONG)
        expect(away).to_be_hidden()


def test_a_sign_in_that_is_over_leads_back_to_the_answer_and_to_what_was_typed(
    visitor: Visit,
) -> None:
    start_counting(visitor, LONG)
    written = visitor.page.get_by_role("textbox", name=visitor.words("Message"), exact=True)
    written.fill("and then to a thousand")
    where = visitor.page.url

    visitor.context.clear_cookies()
    visitor.page.reload()
    visitor.fill_in_credentials("bob")

    expect(visitor.page).to_have_url(where, timeout=PATIENCE_MS)
    has_counted(visitor.page, LONG)
    expect(written).to_have_value("and then to a thousand")


def test_a_site_that_is_killed_says_so_and_the_question_can_be_asked_again(visitor: Visit) -> None:
    start_counting(visitor, LONG)

    visitor.world.kill("site")
    visitor.world.wait_until_answering()

    expect(visitor.button("Retry")).to_be_visible(timeout=2 * PATIENCE_MS)
    counted = numbers_on(visitor.page)
    assert counted == list(range(1, len(counted) + 1))
    visitor.fits()
    visitor.press("Retry")
    has_counted(visitor.page, LONG)
    expect(visitor.page.get_by_role("article")).to_have_count(2)
