"""A question is edited where it stands, and its versions are gone through."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from portal.branches import Versions
from portal.models import Conversation
from tests.ui.site import API, CHAT, Json, Site, chat_page
from tests.ui.test_run import answer, question

EDIT = f"{API}/messages/1/edit"
BRANCH = "/chat/11111111-1111-4111-8111-111111111111/"


def show(site: Site, **changes: Any) -> None:
    asked: Json = {**question("What is on today?"), **changes}
    site.open(CHAT, chat_page(thread=[asked, answer("done", text="x")]))


def button(site: Site, name: str) -> Locator:
    return site.page.get_by_role("button", name=name, exact=True)


def field(site: Site) -> Locator:
    return site.page.get_by_role("textbox", name="Message in other words")


def asked(site: Site) -> list[str]:
    return [body["text"] for method, path, body in site.calls if (method, path) == ("POST", EDIT)]


def test_a_question_is_asked_in_other_words_by_keyboard_alone(site: Site) -> None:
    site.answer("POST", EDIT, {"id": "x", "url": BRANCH})
    site.pages[BRANCH] = "<p>The branch</p>"
    show(site)
    press = site.page.keyboard.press

    button(site, "Edit").focus()
    press("Enter")
    expect(field(site)).to_be_focused()
    expect(field(site)).to_have_value("What is on today?")
    field(site).fill("What is on tomorrow?")
    press("Tab")
    press("Enter")

    expect(site.page.get_by_text("The branch")).to_be_visible()
    assert asked(site) == ["What is on tomorrow?"]


def test_enter_asks_and_shift_enter_starts_a_new_line(site: Site) -> None:
    site.answer("POST", EDIT, {"id": "x", "url": BRANCH})
    site.pages[BRANCH] = "<p>The branch</p>"
    show(site)
    button(site, "Edit").click()
    field(site).fill("Tomorrow?")

    field(site).press("Shift+Enter")
    field(site).press_sequentially("Or today?")
    field(site).press("Enter")

    expect(site.page.get_by_text("The branch")).to_be_visible()
    assert asked(site) == ["Tomorrow?\nOr today?"]


@pytest.mark.parametrize("way", ["Escape", "Cancel"])
def test_editing_is_given_up_and_nothing_is_asked(site: Site, way: str) -> None:
    show(site)
    button(site, "Edit").click()
    field(site).fill("Something else")

    if way == "Escape":
        site.page.keyboard.press("Escape")
    else:
        button(site, "Cancel").click()

    expect(field(site)).to_be_hidden()
    expect(site.page.get_by_text("What is on today?", exact=True)).to_be_visible()
    expect(button(site, "Edit")).to_be_focused()
    assert asked(site) == []


def test_what_is_refused_stays_in_the_field_and_is_the_same_question_when_sent_again(
    site: Site,
) -> None:
    site.answer("POST", EDIT, {"error": "throttled", "message": "Wait for one."}, status=429)
    show(site)
    button(site, "Edit").click()
    field(site).fill("Else?")

    for _time in range(2):
        with site.page.expect_response(f"**{EDIT}"):
            button(site, "Ask").click()
        expect(site.page.get_by_role("alert")).not_to_be_empty()

    expect(field(site)).to_have_value("Else?")
    keys = {body["client_key"] for method, path, body in site.calls if path == EDIT}
    assert len(keys) == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_versions_of_a_question_lead_to_each_other(
    site: Site, theme: Literal["light", "dark"], width: int
) -> None:
    one, three = Conversation(), Conversation()
    site.page.set_viewport_size({"width": width, "height": 800})
    site.page.emulate_media(color_scheme=theme)
    show(site, versions=Versions(2, 3, before=one, after=three))

    versions = site.page.get_by_role("navigation", name="Versions of this message")
    expect(versions).to_contain_text("2/3")
    for name, conversation in (("Version before", one), ("Version after", three)):
        link = versions.get_by_role("link", name=name)
        expect(link).to_have_attribute("href", conversation.get_absolute_url())
    button(site, "Edit").click()
    found = Axe().run(site.page, context=".question").response["violations"]
    assert [broken["id"] for broken in found] == []
    assert not site.page.evaluate("document.documentElement.scrollWidth > innerWidth")
