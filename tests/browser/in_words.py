"""Somebody's visit to the site, by the words of the language that its pages are in."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Literal

import pytest
from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.people import PATIENCE_MS
from tests.browser.visits import LOCALES
from tests.fixtures.world import World


@dataclass(frozen=True)
class Looks:
    """How a page is looked at: in which language, in a window of which width, in which theme."""

    language: str
    width: int
    theme: Literal["light", "dark"]

    def __str__(self) -> str:
        return f"{self.language}-{self.width}-{self.theme}"

    def words(self, text: str, **values: str) -> str:
        """Return what the page says for a text of the site."""
        with translation.override(self.language):
            said = gettext(text)
        return said % values if values else said

    def context(self, browser: Browser) -> BrowserContext:
        """Return a new profile of `browser`: no cookie of anybody in it."""
        return browser.new_context(
            locale=LOCALES[self.language],
            viewport={"width": self.width, "height": 800},
            color_scheme=self.theme,
            has_touch=self.width < 500,
        )


ENGLISH = Looks("en", 1280, "light")  # what most tests are in
# With it, each language, each width and each theme is looked at once.
_OPPOSITE = [Looks("ja", 360, "dark")]
# In its place, with `--every-look`: every two of these meet.
_PAIRS = [Looks("en", 360, "dark"), Looks("ja", 1280, "dark"), Looks("ja", 360, "light")]


def look(metafunc: pytest.Metafunc, fixture: str, *, in_english: bool = True) -> None:
    """Have a test that asks for `fixture` look at the site in one way after the other.

    `in_english`: also in what most tests are in.
    """
    if fixture in metafunc.fixturenames:
        others = _PAIRS if metafunc.config.getoption("every_look") else _OPPOSITE
        looks = [ENGLISH, *others] if in_english else others
        metafunc.parametrize(fixture, looks, ids=str, indirect=True)


class Reader:
    """Somebody before a page, who knows it by the words of its language."""

    def __init__(self, page: Page, looks: Looks) -> None:
        self.page, self.looks, self.words = page, looks, looks.words
        self.language, self.width = looks.language, looks.width
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def main(self) -> Locator:
        return self.page.get_by_role("main")

    @property
    def answer(self) -> Locator:
        return self.page.get_by_role("article").last

    def button(self, text: str, **values: str) -> Locator:
        return self.page.get_by_role("button", name=self.words(text, **values), exact=True)

    def press(self, text: str, **values: str) -> None:
        self.button(text, **values).last.click()

    def ask(self, text: str) -> None:
        self.page.get_by_role("textbox", name=self.words("Message"), exact=True).fill(text)
        self.press("Send")

    def reads(self, text: str, **values: str) -> None:
        said = self.words(text, **values)
        expect(self.main).to_contain_text(said, timeout=PATIENCE_MS)

    def go(self, place: str) -> None:
        """Follow a link of the header."""
        self.open_menu()
        header = self.page.get_by_role("banner")
        header.get_by_role("link", name=self.words(place), exact=True).click()

    def open_menu(self) -> None:
        """Open what a phone has in a menu, and others in the header."""
        menu = self.page.locator(".top__menu")
        if menu.is_visible():
            menu.click()

    def skip_tour(self) -> None:
        """Put away what a first visit is shown, if it is one."""
        self.page.wait_for_load_state()  # the tour stands at the end of the page
        if self.page.locator("#tour[data-first]").count():
            dialog = self.page.get_by_role("dialog")
            skip = dialog.get_by_role("button", name=self.words("Skip"), exact=True)
            with self.page.expect_response("**/tour/seen/"):
                skip.click()

    def link(self, text: str, **values: str) -> Locator:
        return self.page.get_by_role("link", name=self.words(text, **values), exact=True)

    def fits(self) -> None:
        assert self.page.evaluate("document.documentElement.scrollWidth") == self.width


class Visit(Reader):
    """Somebody's visit to the running demo."""

    def __init__(self, world: World, context: BrowserContext, looks: Looks) -> None:
        super().__init__(context.new_page(), looks)
        self.world, self.context = world, context

    def comes(self, text: str) -> None:
        """Look at the page again until it says so."""
        give_up_at = time.monotonic() + 3 * PATIENCE_MS / 1000
        said = self.main.get_by_text(self.words(text), exact=True)
        while not said.count() and time.monotonic() < give_up_at:
            self.page.wait_for_timeout(500)
            self.page.reload()
        expect(said.first).to_be_visible()

    def sign_in(self, username: str) -> None:
        self.page.goto(self.world.url)
        self.main.get_by_role("link", name=self.words("Sign in")).first.click()
        self.fill_in_credentials(username)
        expect(self.page.get_by_role("heading", level=1)).to_have_text(
            self.words("Who should act for you?")
        )
        self.skip_tour()

    def fill_in_credentials(self, username: str) -> None:
        """Sign in at the identity provider's page, which is open."""
        self.page.locator("[autocomplete=username]").fill(username)
        self.page.locator("[type=password]").fill(self.world.password(username))
        self.page.keyboard.press("Enter")

    def choose(self, agent: str) -> None:
        self.page.goto(self.world.url)
        self.main.get_by_role("link", name=re.compile(f"^{agent}")).click()
        self.page.wait_for_url("**/chat/new/**")

    def is_done(self) -> None:
        expect(self.button("Send")).to_be_visible(timeout=PATIENCE_MS)

    def decide(self, username: str, *, allow: bool = True) -> None:
        """Follow the consent card, and allow or deny at the provider."""
        connect = self.main.get_by_role("link", name=self.words("Connect"), exact=True)
        with self.context.expect_page() as opened:
            connect.click()
        acme = opened.value
        if acme.locator("[type=password]").count():
            email, password = self.world.acme_account(username)
            acme.locator("input:not([type=hidden], [type=password])").fill(email)
            acme.locator("[type=password]").fill(password)
            acme.keyboard.press("Enter")
        decision = "allow" if allow else "deny"
        acme.locator(f"button[name=decision][value={decision}]").click()
        expect(acme.get_by_role("heading", level=1)).to_be_visible()
        acme.wait_for_url(f"{self.world.url}/**")

    def disconnect_all(self) -> None:
        self.page.goto(f"{self.world.url}/connections/")
        while left := self.button("Disconnect").count():
            self.button("Disconnect").first.click()
            dialog = self.page.get_by_role("alertdialog")
            dialog.get_by_role("button", name=self.words("Disconnect"), exact=True).click()
            expect(self.button("Disconnect")).to_have_count(left - 1, timeout=PATIENCE_MS)

    def open_conversations(self) -> None:
        """Open the list of conversations, which a phone keeps in a drawer."""
        drawer = self.main.get_by_role("button", name=self.words("Conversations"), exact=True)
        if not self.page.locator("#conversations").is_visible():
            drawer.click()
