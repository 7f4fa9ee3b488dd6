"""Signing in as people see it: at one of two providers, and once more for what is dangerous."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django import Settings

from agents.models import Agent
from core.identity_providers import IdentityProvider
from core.models import User
from core.secret import Secret
from tests.fixtures.issuer import Reply, Request
from tests.portal.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider, providing
from tests.portal.in_a_browser import Browse

pytestmark = pytest.mark.django_db(transaction=True)


def answers_for(provider: Provider, person: str) -> Callable[[Request], Reply]:
    """Return the page of authorization of a provider where `person` is signed in."""

    def authorize(request: Request) -> Reply:
        back = provider.callback_for(f"/?{urlencode(request.query)}", person)
        where = f"{request.query['redirect_uri']}?{urlencode(back)}"
        return Reply(status=302, headers={"Location": where})

    return authorize


@pytest.fixture
def house(provider: Provider, settings: Settings, url: str) -> Provider:
    settings.SITE_URL = url
    provider.issuer.routes["GET /authorize"] = answers_for(provider, "alice")
    return provider


@pytest.fixture
def partner(house: Provider, settings: Settings) -> Iterator[Provider]:
    with providing() as running:
        running.issuer.routes["GET /authorize"] = answers_for(running, "bob")
        secret = Secret(CLIENT_SECRET)
        settings.OIDC_LABEL = "Our house"
        settings.OIDC_FURTHER = (
            IdentityProvider("partner", "Partner & Co", running.url, CLIENT_ID, secret, "openid"),
        )
        yield running


def is_fit(page: Page) -> None:
    """Hold the page against axe and the width of a phone, in both themes."""
    before = page.viewport_size
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 800})
            assert Axe().run(page).response["violations"] == []
            assert page.evaluate("document.documentElement.scrollWidth") == width
    page.set_viewport_size(before or {"width": 1280, "height": 800})


def test_somebody_of_the_second_provider_finds_the_way_and_finds_it_again(
    house: Provider, partner: Provider, url: str, browse: Browse, settings: Settings
) -> None:
    def work(context: BrowserContext) -> None:
        page = context.new_page()
        page.goto(f"{url}/connections/")
        expect(page.get_by_role("heading", name="Where is your account?")).to_be_visible()
        is_fit(page)
        page.get_by_role("link", name="Partner & Co").press("Enter")
        expect(page.get_by_role("heading", name="Connections", exact=True)).to_be_visible()
        expect(page.get_by_text("Bob · Partner & Co", exact=True)).to_be_visible()
        is_fit(page)
        page.goto(f"{url}/oidc/authenticate/?provider=")
        expect(
            page.get_by_text("To use your account at Our house, sign out first.")
        ).to_be_visible()
        expect(page.get_by_role("button", name="Use another account")).to_be_visible()
        is_fit(page)

        context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
        page.goto(f"{url}/connections/")
        first = page.get_by_role("main").get_by_role("link").first
        expect(first).to_contain_text("Partner & Co")
        expect(first).to_contain_text("last time")

    browse(work)
    assert User.objects.get().iss == partner.url


def test_what_is_dangerous_is_saved_once_its_admin_signed_in_again(
    house: Provider, url: str, browse: Browse, agent: Agent
) -> None:
    house.forgery.claims = {"auth_time": int(time.time()) - 3600}

    def work(context: BrowserContext) -> None:
        page = context.new_page()
        page.goto(f"{url}/admin/agents/agent/{agent.pk}/change/")
        name = page.get_by_label("Display name")
        name.fill("Renamed")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Nothing was saved")).to_be_visible()
        is_fit(page)
        expect(name).to_have_value("Renamed")

        house.forgery.claims = {"auth_time": int(time.time())}
        with context.expect_page() as opened:
            page.get_by_role("link", name="Sign in again").click()
        expect(opened.value.get_by_label("Display name")).to_be_visible()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("was changed successfully")).to_be_visible()

    browse(work)
    agent.refresh_from_db()
    assert agent.display_name == "Renamed"
