"""Signing in as people see it: where, once more for what is dangerous, and until it is over."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from pytest_django import Settings

from agents.models import Agent
from core.identity_providers import IdentityProvider
from core.models import AuditEvent, User
from core.secret import Secret
from tests.browser.in_words import Reader
from tests.portal.agent import AgentServer
from tests.portal.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, providing
from tests.portal.in_a_browser import Browse

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def partner(house: Provider, settings: Settings) -> Iterator[Provider]:
    with providing() as running:
        running.lets_in("bob")
        secret = Secret(CLIENT_SECRET)
        settings.OIDC_LABEL = "Our house"
        settings.OIDC_FURTHER = (
            IdentityProvider("partner", "Partner & Co", running.url, CLIENT_ID, secret, "openid"),
        )
        yield running


def is_fit(reader: Reader) -> None:
    """Hold the page against axe and the width of its window."""
    reader.page.emulate_media(reduced_motion="reduce")
    assert Axe().run(reader.page).response["violations"] == []
    reader.fits()


def ask(reader: Reader, where: str, text: str) -> None:
    """Sign in with nothing but a look at the chat of an agent, and ask it something."""
    reader.page.goto(where)
    reader.skip_tour()
    reader.ask(text)


def test_somebody_of_the_second_provider_finds_the_way_and_finds_it_again(
    house: Provider, partner: Provider, url: str, browse: Browse, settings: Settings
) -> None:
    def work(reader: Reader) -> None:
        page = reader.page
        page.goto(f"{url}/connections/")
        reader.reads("Where is your account?")
        is_fit(reader)
        page.get_by_role("link", name="Partner & Co").press("Enter")
        reader.reads("Nothing is connected")
        reader.open_menu()
        expect(page.get_by_text("Bob · Partner & Co", exact=True)).to_be_visible()
        is_fit(reader)
        page.goto(f"{url}/oidc/authenticate/?provider=")
        reader.reads(
            "You are signed in as %(person)s. Nothing was changed. To use your account at "
            "%(place)s, sign out first.",
            person="Bob",
            place="Our house",
        )
        expect(reader.button("Use another account")).to_be_visible()
        is_fit(reader)

        page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
        page.goto(f"{url}/connections/")
        first = reader.main.get_by_role("link").first
        expect(first).to_contain_text("Partner & Co")
        expect(first).to_contain_text(reader.words("last time"))

    browse(work)
    assert User.objects.get().iss == partner.url


def test_what_is_dangerous_is_saved_once_its_admin_signed_in_again(
    house: Provider, url: str, browse: Browse, agent: Agent
) -> None:
    house.forgery.claims = {"auth_time": int(time.time()) - 3600}

    def work(reader: Reader) -> None:
        name = reader.page.locator("#id_display_name")
        reader.page.goto(f"{url}/admin/agents/agent/{agent.pk}/change/")
        name.fill("Renamed")
        reader.page.locator("[name=_save]").click()
        expect(reader.page.locator(".errornote, .messagelist").first).to_be_visible()
        is_fit(reader)
        expect(name).to_have_value("Renamed")

        house.forgery.claims = {"auth_time": int(time.time())}
        with reader.page.context.expect_page() as opened:
            reader.link("Sign in again").click()
        expect(opened.value.locator("#id_display_name")).to_have_value("Helper")
        reader.page.locator("[name=_save]").click()
        expect(reader.page.locator(".messagelist .success")).to_contain_text("Renamed")

    browse(work)
    agent.refresh_from_db()
    assert agent.display_name == "Renamed"


def test_a_sign_in_that_the_provider_ends_leaves_nothing_on_the_open_page(
    house: Provider, url: str, browse: Browse, agent: Agent, agent_server: AgentServer
) -> None:
    house.lets_in("bob")

    def work(reader: Reader) -> None:
        ask(reader, f"{url}/chat/new/{agent.agent_id}/", "What is my secret?")
        expect(reader.main).to_contain_text("Hello.")

        token = house.logout_token(sid=house.sids["bob"])
        told = httpx.post(f"{url}/oidc/backchannel-logout/", data={"logout_token": token})
        assert told.status_code == 200
        reader.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

        reader.reads("You are signed out")
        expect(reader.page.get_by_text("What is my secret?")).to_have_count(0)
        expect(reader.page.get_by_text("Hello.")).to_have_count(0)
        is_fit(reader)

    browse(work)
    assert AuditEvent.objects.filter(action="person.signin.ended_by_provider").count() == 1


def test_a_page_that_was_left_open_goes_on_without_a_word(
    house: Provider, url: str, browse: Browse, agent: Agent, agent_server: AgentServer
) -> None:
    house.lets_in("bob")
    house.access_token_s = 1  # over before anything is asked

    def work(reader: Reader) -> None:
        places: list[str] = []
        ask(reader, f"{url}/chat/new/{agent.agent_id}/", "Are you there?")
        reader.page.on("framenavigated", lambda frame: places.append(frame.url))
        expect(reader.main).to_contain_text("Hello.")
        assert [place for place in places if not place.startswith(f"{url}/chat/")] == []

        house.forget_refresh_tokens()
        reader.ask("And now?")
        reader.link("Sign in").click()
        expect(reader.button("Retry")).to_be_visible()
        reader.fits()
        reader.press("Retry")
        expect(reader.main.get_by_text("Hello.")).to_have_count(2)

    browse(work)
    assert house.refreshed >= 1
    assert [call.prompt for call in agent_server.calls] == ["Are you there?", "And now?"]
