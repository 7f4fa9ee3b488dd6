"""A person says what they think of an answer, and takes it back."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from tests.ui.site import API, CHAT, RUN, Json, Site, chat_page
from tests.ui.test_run import answer, question

PATH = f"{API}/runs/{RUN}/feedback"


def show(site: Site, feedback: Json | None = None, *, status: str = "done") -> None:
    site.answer("PUT", PATH, {})
    site.answer("DELETE", PATH, {})
    site.open(CHAT, chat_page(thread=[question(), answer(status, text="x", feedback=feedback)]))


def button(site: Site, name: str) -> Locator:
    return site.page.get_by_role("button", name=name, exact=True)


def field(site: Site) -> Locator:
    return site.page.get_by_role("textbox", name="What was wrong?")


def is_pressed(site: Site, name: str, pressed: bool = True) -> None:
    expect(button(site, name)).to_have_attribute("aria-pressed", str(pressed).lower())


def told(site: Site) -> list[tuple[str, Any]]:
    return [(method, body) for method, path, body in site.calls if path == PATH]


def says(site: Site, words: str) -> None:
    expect(site.page.locator("#announcer")).to_have_text(words)


def test_a_good_answer_is_called_good_and_that_is_taken_back(site: Site) -> None:
    show(site)
    is_pressed(site, "Good answer", False)

    button(site, "Good answer").click()
    is_pressed(site, "Good answer")
    says(site, "Thank you for your feedback.")
    expect(field(site)).to_be_hidden()

    button(site, "Good answer").click()
    is_pressed(site, "Good answer", False)
    says(site, "Your feedback is taken back.")
    assert told(site) == [("PUT", {"verdict": "good", "words": ""}), ("DELETE", {})]


def test_a_bad_answer_is_explained_by_keyboard_alone(site: Site) -> None:
    show(site)
    press = site.page.keyboard.press

    button(site, "Good answer").focus()
    press("Tab")
    press("Space")
    is_pressed(site, "Bad answer")
    says(site, "Thank you. If you like, say below what was wrong.")
    press("Tab")
    expect(field(site)).to_be_focused()
    site.page.keyboard.type("It was yesterday's.")
    press("Tab")
    press("Enter")

    says(site, "Thank you for your feedback.")
    expect(field(site)).to_be_hidden()
    expect(button(site, "Bad answer")).to_be_focused()
    expect(site.page.locator(".answer__words")).to_have_text("It was yesterday's.")
    words = ["", "It was yesterday's."]
    assert told(site) == [("PUT", {"verdict": "bad", "words": each}) for each in words]


def test_it_is_there_when_the_page_is_loaded_again(site: Site) -> None:
    show(site, {"verdict": "bad", "words": "<b>Wrong</b> day."})

    is_pressed(site, "Bad answer")
    is_pressed(site, "Good answer", False)
    expect(site.page.locator(".answer__words")).to_have_text("<b>Wrong</b> day.")

    button(site, "Good answer").click()
    is_pressed(site, "Bad answer", False)
    expect(site.page.locator(".answer__words")).to_be_hidden()


def test_what_the_site_does_not_keep_is_not_shown_as_if_it_did(site: Site) -> None:
    show(site, {"verdict": "good", "words": ""})
    site.answer("PUT", PATH, {"message": "Not now."}, status=503)

    button(site, "Bad answer").click()

    expect(site.page.get_by_role("alert")).to_contain_text("Not now.")
    is_pressed(site, "Good answer")
    is_pressed(site, "Bad answer", False)
    expect(field(site)).to_be_hidden()


def test_what_somebody_wrote_is_not_lost_when_it_is_not_kept(site: Site) -> None:
    show(site)
    button(site, "Bad answer").click()
    says(site, "Thank you. If you like, say below what was wrong.")
    site.answer("PUT", PATH, {"message": "Not now."}, status=503)

    field(site).fill("Much was wrong.")
    button(site, "Send feedback").click()

    expect(site.page.get_by_role("alert")).to_contain_text("Not now.")
    expect(field(site)).to_have_value("Much was wrong.")
    expect(site.page.locator(".answer__words")).to_be_hidden()


def test_an_answer_that_did_not_arrive_is_not_asked_about(site: Site) -> None:
    show(site, status="failed")

    expect(button(site, "Retry")).to_be_visible()
    expect(button(site, "Good answer")).to_be_hidden()
    expect(button(site, "Bad answer")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_keeps_nobody_out(site: Site, theme: Literal["light", "dark"], width: int) -> None:
    site.page.emulate_media(color_scheme=theme)
    site.page.set_viewport_size({"width": width, "height": 800})
    show(site, {"verdict": "good", "words": ""}, status="stopped")
    button(site, "Bad answer").click()
    expect(field(site)).to_be_visible()

    found = Axe().run(site.page, context=".answer").response["violations"]

    assert [broken["id"] for broken in found] == []
    assert not site.page.evaluate("document.documentElement.scrollWidth > innerWidth")
