"""A consent that AWS holds, from the question to the answer, in a real browser at the real site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.in_words import Reader
from tests.portal.agent import Reply
from tests.portal.aws_region import HOST, Region, hosted, running_region
from tests.portal.conftest import MakePerson
from tests.portal.identity_provider import Provider
from tests.portal.in_a_browser import Browse

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_MS = 15_000
Begun = Callable[[Reader], None]


@pytest.fixture
def region(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Region]:
    with running_region(monkeypatch) as running:
        yield running


@pytest.fixture
def begun(person: MakePerson, provider: Provider, url: str) -> Begun:
    """Ask the agent at AWS something as bob."""
    agent, cookies = hosted(provider), person("bob").browser.cookies

    def make(reader: Reader) -> None:
        reader.page.context.add_cookies(
            [{"name": name, "value": each.value, "url": url} for name, each in cookies.items()]
        )
        reader.page.goto(f"{url}/chat/new/{agent.agent_id}/")
        reader.ask("When am I free?")

    return make


def leading_back(context: BrowserContext, url: str) -> list[str]:
    """Let AWS's page lead back at once, as the provider's would; return what was opened there."""
    opened: list[str] = []

    def answer(route: Route) -> None:
        opened.append(route.request.url)
        (uri,) = parse_qs(urlsplit(route.request.url).query)["request_uri"]
        back = f"{url}/connections/complete/?session_id={quote(uri, safe='')}"
        route.fulfill(status=302, headers={"Location": back})

    context.route(f"https://{HOST}/**", answer)
    return opened


@pytest.mark.parametrize("waits", [True, False], ids=["it waits", "it ends"])
def test_a_person_connects_in_the_card_and_gets_the_answer(
    waits: bool, browse: Browse, url: str, region: Region, begun: Begun
) -> None:
    def behaviour(reply: Reply) -> None:
        if not region.sessions:
            consent = region.ask()
            reply.stream(f"To see your calendar, please [sign in]({consent.url}).\n\n")
            if not waits:
                return
            consent.wait()
        else:
            reply.stream()
        reply.text("You are free at noon.")

    region.agent.behaviour = behaviour

    def work(reader: Reader) -> None:
        page, context = reader.page, reader.page.context
        opened = leading_back(context, url)
        begun(reader)
        connect = page.locator(".consent").get_by_role("link")
        expect(connect).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator(".consent")).to_contain_text(HOST)
        expect(page.locator(".prose a")).to_have_count(0)
        reader.reads("Waiting for your consent")
        reader.fits()
        with context.expect_page() as other:
            connect.click()
        expect(other.value.get_by_role("main")).to_contain_text(reader.words("You are connected"))
        assert len(opened) == 1
        reader.reads("Connected. %(agent)s may use the service now.", agent="Hosted")
        if not waits:
            reader.press("Ask again")
        expect(page.get_by_text("You are free at noon.")).to_be_visible(timeout=PATIENCE_MS)
        expect(reader.button("Send")).to_be_visible()

    browse(work)
    assert len(region.completions) == 1
