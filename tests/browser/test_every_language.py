"""The journey in both languages, on a desktop and on a phone, in both themes.

What each part of it does is told in the other files; here it is done by the words of the language
that the page is in, so that no step hangs on English, on room, or on light.
"""

from __future__ import annotations

import json
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
        acme.close()

    def disconnect_all(self) -> None:
        self.page.goto(f"{self.world.url}/connections/")
        while left := self.button("Disconnect").count():
            self.button("Disconnect").first.click()
            dialog = self.page.get_by_role("alertdialog")
            dialog.get_by_role("button", name=self.words("Disconnect"), exact=True).click()
            expect(self.button("Disconnect")).to_have_count(left - 1, timeout=PATIENCE_MS)

    def link(self, text: str, **values: str) -> Locator:
        return self.page.get_by_role("link", name=self.words(text, **values), exact=True)

    def open_conversations(self) -> None:
        """Open the list of conversations, which a phone keeps in a drawer."""
        drawer = self.main.get_by_role("button", name=self.words("Conversations"), exact=True)
        if not self.page.locator("#conversations").is_visible():
            drawer.click()

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
    visit.decide("bob", allow=False)
    visit.reads(
        "You did not allow %(agent)s to use %(provider)s. Nothing was connected.",
        agent="Concierge",
        provider="Acme Calendar",
    )
    visit.is_done()
    visit.ask(QUESTION)
    visit.decide("bob")
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


def test_a_conversation_is_named_pinned_found_saved_deleted_and_brought_back(visit: Visit) -> None:
    visit.sign_in("bob")
    visit.choose("Greeter")
    visit.ask("Count to 5")
    visit.is_done()
    title = f"Five {visit.language} {visit.width}"

    def choose(title: str, what: str) -> None:
        visit.open_conversations()
        more = visit.words("More about {title}").format(title=title)
        visit.page.get_by_role("button", name=more, exact=True).first.click()
        visit.page.locator("#conversation-menu").get_by_text(visit.words(what), exact=True).click()

    choose("Count to 5", "Rename")
    visit.page.get_by_label(visit.words("Name"), exact=True).fill(title)
    visit.press("Save")
    expect(visit.page.locator("#title")).to_have_text(title)
    choose(title, "Pin")
    expect(visit.page.locator(".conversation").first).to_contain_text(title)
    with visit.page.expect_download() as saved:
        choose(title, "Save as Markdown")
    assert f"# {title}" in saved.value.path().read_text()
    visit.open_conversations()
    visit.page.get_by_label(visit.words("Search conversations")).fill(title)
    expect(visit.page.locator(".conversation")).to_have_count(1)
    visit.page.keyboard.press("Escape")

    choose(title, "Delete")
    said = visit.words("{title} was deleted.").format(title=title)
    expect(visit.page.locator("#toast")).to_contain_text(said)
    visit.press("Undo")
    visit.page.goto(visit.world.url)
    visit.open_conversations()
    expect(visit.page.get_by_role("link", name=title)).to_be_visible()
    assert visit.complaints == []


def test_what_is_kept_of_somebody_is_looked_at_and_taken_away(visit: Visit) -> None:
    visit.sign_in("bob")

    visit.page.goto(f"{visit.world.url}/connections/")
    visit.link("Where you are signed in").last.click()
    visit.reads("This browser")
    visit.fits()
    visit.page.goto(f"{visit.world.url}/connections/")
    visit.link("Your data").click()
    with visit.page.expect_download() as saved:
        visit.press("Download")
    assert json.loads(saved.value.path().read_text())["profile"]["name"] == "Bob Brown"
    visit.press("Delete all")
    dialog = visit.page.get_by_role("alertdialog").or_(visit.page.get_by_role("dialog"))
    expect(dialog).to_be_visible()
    visit.fits()
    visit.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert visit.complaints == []


def test_an_admin_registers_an_agent_in_steps_and_sees_it_as_somebody_else(visit: Visit) -> None:
    page, name = visit.page, f"second_{visit.language}_{visit.width}"
    visit.sign_in("alice")
    page.goto(f"{visit.world.url}/admin/agents/agent/")
    page.get_by_role("link", name="Greeter").click()
    runs_at = page.locator("#id_url").input_value()
    page.goto(f"{visit.world.url}/admin/agents/agent/add/")
    page.locator("#id_name").fill(name)
    page.locator("#id_display_name").fill(name.title())
    page.locator("#id_url").fill(runs_at)

    visit.press("Test where it runs")
    expect(page.get_by_text(visit.words("The agent answers and is healthy."))).to_be_visible()
    visit.press("Ask the issuer")
    expect(page.get_by_role("checkbox", name="offline_access")).to_be_visible()
    visit.fits()
    page.locator("#id_allow_everyone").check()
    page.get_by_role("checkbox", name=re.compile("^Acme Calendar")).check()
    page.locator("[name=_save]").click()
    visit.link("As a person sees it").click()
    page.get_by_role("link", name="Bob Brown").click()

    expect(page.get_by_text(visit.words("%(person)s sees it", person="Bob Brown"))).to_be_visible()
    calendar = page.locator("dt:text-is('Acme Calendar') + dd")
    expect(calendar).to_have_text(visit.words("They are asked first, in the chat."))
    visit.fits()
    assert visit.complaints == []
