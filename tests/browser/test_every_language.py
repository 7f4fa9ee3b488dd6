"""The journey in both languages, on a desktop and on a phone, in both themes.

What each part of it does is told in the other files; here it is done by the words of the language
that the page is in, so that no step hangs on English, on room, or on light.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, expect

from tests.browser.people import PATIENCE_MS, QUESTION
from tests.browser.visits import LOCALES
from tests.fixtures.world import World

NOTES: FilePayload = {"name": "notes.md", "mimeType": "text/markdown", "buffer": b"# Milk"}


class Visit:
    """Somebody's visit, in the words of one language. `width` is that of the window."""

    def __init__(self, world: World, context: BrowserContext, *, language: str, width: int) -> None:
        self.world, self.context, self.language, self.width = world, context, language, width
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def words(self, text: str, **values: str) -> str:
        """Return what the page says for a text of the site."""
        with translation.override(self.language):
            said = gettext(text)
        return said % values if values else said

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

    def reads(self, text: str, **values: str) -> None:
        said = self.words(text, **values)
        expect(self.main).to_contain_text(said, timeout=PATIENCE_MS)

    def go(self, place: str) -> None:
        """Follow a link of the header, which a phone has in a menu."""
        menu = self.button("Menu")
        if menu.is_visible():
            menu.click()
        header = self.page.get_by_role("banner")
        header.get_by_role("link", name=self.words(place), exact=True).click()

    def sign_in(self, username: str) -> None:
        self.page.goto(self.world.url)
        self.main.get_by_role("link", name=self.words("Sign in")).first.click()
        self.page.locator("[autocomplete=username]").fill(username)
        self.page.locator("[type=password]").fill(self.world.password(username))
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("heading", level=1)).to_have_text(
            self.words("Who should act for you?")
        )
        self.page.wait_for_load_state()  # the tour stands at the end of the page
        if self.page.locator("#tour[data-first]").count():
            dialog = self.page.get_by_role("dialog")
            skip = dialog.get_by_role("button", name=self.words("Skip"), exact=True)
            with self.page.expect_response("**/tour/seen/"):
                skip.click()

    def choose(self, agent: str) -> None:
        self.page.goto(self.world.url)
        self.main.get_by_role("link", name=re.compile(f"^{agent}")).click()
        self.page.wait_for_url("**/chat/new/**")

    def ask(self, text: str) -> None:
        self.page.get_by_role("textbox", name=self.words("Message"), exact=True).fill(text)
        self.press("Send")

    def is_done(self) -> None:
        expect(self.button("Send")).to_be_visible(timeout=PATIENCE_MS)

    def allow(self, username: str) -> None:
        """Follow the consent card, and allow at the provider."""
        connect = self.main.get_by_role("link", name=self.words("Connect"), exact=True)
        with self.context.expect_page() as opened:
            connect.click()
        acme = opened.value
        if acme.locator("[type=password]").count():
            email, password = self.world.acme_account(username)
            acme.locator("input:not([type=hidden], [type=password])").fill(email)
            acme.locator("[type=password]").fill(password)
            acme.keyboard.press("Enter")
        acme.locator("button[name=decision][value=allow]").click()
        expect(acme.get_by_role("heading", level=1)).to_be_visible()
        acme.wait_for_url(f"{self.world.url}/**")
        acme.close()

    def disconnect_all(self) -> None:
        self.page.goto(f"{self.world.url}/connections/")
        while left := self.button("Disconnect").count():
            self.button("Disconnect").first.click()
            dialog = self.page.get_by_role("alertdialog")
            dialog.get_by_role("button", name=self.words("Disconnect"), exact=True).click()
            expect(self.button("Disconnect")).to_have_count(left - 1, timeout=PATIENCE_MS)

    def fits(self) -> None:
        assert self.page.evaluate("document.documentElement.scrollWidth") == self.width


@pytest.fixture(
    params=[("en", 360, "dark"), ("ja", 1280, "dark"), ("ja", 360, "light")],
    ids=lambda param: "-".join(map(str, param)),
)
def visit(request: Any, world: World, browser: Browser) -> Any:
    language, width, theme = request.param
    context = browser.new_context(
        locale=LOCALES[language],
        viewport={"width": width, "height": 800},
        color_scheme=theme,
        has_touch=width < 500,
    )
    yield Visit(world, context, language=language, width=width)
    context.close()


def test_bob_attaches_a_file_judges_stops_and_asks_in_other_words(visit: Visit) -> None:
    visit.sign_in("bob")

    visit.choose("Greeter")
    with visit.page.expect_file_chooser() as chosen:
        visit.press("Attach files")
    chosen.value.set_files([NOTES])
    expect(visit.page.get_by_role("listitem").filter(has_text="notes.md")).to_be_visible()
    expect(visit.page.get_by_role("progressbar")).to_have_count(0)
    visit.ask("Look")
    expect(visit.answer).to_contain_text("notes (md, 6 bytes)", timeout=PATIENCE_MS)
    visit.is_done()
    visit.fits()
    visit.press("Good answer")
    expect(visit.button("Good answer").last).to_have_attribute("aria-pressed", "true")
    visit.ask("Count to 1000")
    expect(visit.answer).to_contain_text("1 2 3", timeout=PATIENCE_MS)
    visit.press("Stop")
    visit.reads("You stopped this answer.")
    visit.press("Edit")
    visit.page.get_by_label(visit.words("Message in other words")).last.fill("Count to 3")
    here = visit.page.url
    visit.press("Ask")
    expect(visit.page).not_to_have_url(here)
    expect(visit.answer).to_contain_text("1 2 3", timeout=PATIENCE_MS)
    visit.is_done()
    assert visit.complaints == []


def test_bob_connects_approves_and_takes_it_back(visit: Visit) -> None:
    visit.sign_in("bob")
    visit.disconnect_all()

    visit.choose("Concierge")
    visit.ask(QUESTION)
    visit.reads(
        "%(agent)s asks to use %(provider)s on your behalf",
        agent="Concierge",
        provider="Acme Calendar",
    )
    visit.fits()
    visit.allow("bob")
    visit.reads("Connected to %(provider)s", provider="Acme Calendar")
    visit.is_done()
    expect(visit.answer.get_by_role("table")).to_be_visible()

    visit.choose("Planner")
    visit.ask("Remind me to call the bank")
    visit.reads("%(agent)s asks for your approval", agent="Planner")
    visit.fits()
    visit.press("Approve")
    visit.reads("You approved this.")
    visit.is_done()

    visit.go("Connections")
    visit.reads("Connected")
    visit.fits()
    visit.disconnect_all()
    visit.go("Activity")
    expect(visit.main).to_contain_text("Acme Calendar")
    visit.fits()
    if visit.button("Menu").is_visible():
        visit.press("Menu")
    visit.press("Sign out")
    expect(visit.button("Sign out")).to_have_count(0)
    assert visit.complaints == []
