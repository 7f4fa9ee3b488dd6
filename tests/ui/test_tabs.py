"""Several tabs of one person: each shows what is, whichever of them it was done in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils.safestring import mark_safe
from playwright.sync_api import Page, expect

from portal.timeline import Text
from tests.ui.site import (
    CHAT,
    CONVERSATION,
    EVENTS,
    ORIGIN,
    POSTS,
    RUN,
    STARTED,
    Json,
    Site,
    block,
    bob,
    chat_page,
    conversation,
    html_of,
    page_of,
    stream,
)

STATE = f"/api/v1/conversations/{CONVERSATION}"
BEFORE = "11111111-2f6b-4b61-8f5e-5b5c5d5e5f50"
ASKED = {"id": "1", "role": "user", "text": "What is on today?", "client_key": None, "run": None}
REFUSED = {"error": "answer_under_way", "message": "The agent is still answering."}
NOT_LAST = {"error": "not_the_last_answer", "message": "Only the last answer."}


def answered(run: str, status: str, words: str, again: str = "") -> Json:
    html = mark_safe(html_of(0, Text(words)))  # noqa: S308  (out of a template)
    told = {"id": f"of-{run}", "role": "assistant", "text": words, "html": html}
    return told | {
        "run": {"id": run, "status": status, "notice": "", "reference": "", "again": again}
    }


DENIED = answered(BEFORE, "done", "Another time.", again="ask")
AGAIN = answered(RUN, "running", "")


def gone_on(*messages: Json, run: str | None = RUN) -> Json:
    return conversation(*messages) | {"active_run": run}


def behind(site: Site) -> None:
    """Open a tab that shows a denied answer; another tab has asked for it again since."""
    site.answer("GET", EVENTS, stream(block(0, "<p>Let me look.</p>")))
    site.open(CHAT, chat_page(thread=[ASKED, DENIED]))
    expect(site.page.get_by_role("button", name="Ask again", exact=True)).to_be_visible()
    site.answer("GET", STATE, gone_on(ASKED, AGAIN))


def follows(page: Page) -> None:
    expect(page.locator(".answer .prose")).to_have_text(["Let me look."])
    expect(page.locator(".question")).to_have_count(1)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()


def test_asking_again_for_what_was_asked_again_elsewhere_shows_the_answer(site: Site) -> None:
    behind(site)
    site.answer("POST", f"/api/v1/runs/{BEFORE}/retry", NOT_LAST, status=409)

    site.page.get_by_role("button", name="Ask again", exact=True).click()

    follows(site.page)
    expect(site.page.get_by_role("alert")).to_contain_text("has gone on in another tab")


def test_sending_into_an_answer_begun_elsewhere_shows_it_and_keeps_the_words(site: Site) -> None:
    behind(site)
    site.answer("POST", POSTS, REFUSED, status=409)
    box = site.page.get_by_role("textbox", name="Message", exact=True)
    box.fill("And tomorrow?")

    site.page.get_by_role("button", name="Send", exact=True).click()

    follows(site.page)
    expect(box).to_have_value("And tomorrow?")
    expect(site.page.get_by_role("alert")).to_contain_text("has gone on in another tab")


def test_a_refusal_says_itself_where_the_page_was_not_behind(site: Site) -> None:
    site.open(CHAT, chat_page(thread=[ASKED, DENIED]))
    site.answer("GET", STATE, conversation(ASKED, DENIED))
    site.answer("POST", f"/api/v1/runs/{BEFORE}/retry", NOT_LAST, status=409)

    site.page.get_by_role("button", name="Ask again", exact=True).click()

    expect(site.page.get_by_role("alert")).to_contain_text("Only the last answer.")
    expect(site.page.locator(".answer .prose")).to_have_text(["Another time."])


@pytest.mark.parametrize(
    "looks",
    [
        "document.dispatchEvent(new Event('visibilitychange'))",
        "dispatchEvent(new Event('focus'))",
        "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))",
    ],
)
def test_a_tab_that_is_looked_at_again_catches_up_and_keeps_the_words(
    site: Site, looks: str
) -> None:
    behind(site)
    box = site.page.get_by_role("textbox", name="Message", exact=True)
    box.fill("And tomorrow?")

    site.page.evaluate(looks)

    follows(site.page)
    expect(box).to_have_value("And tomorrow?")


def test_a_tab_that_is_not_behind_keeps_its_answers_as_they_are(site: Site) -> None:
    site.open(CHAT, chat_page(thread=[ASKED, DENIED]))
    site.answer("GET", STATE, conversation(ASKED, DENIED))
    expect(site.page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    site.page.locator(".prose").evaluate("prose => { prose.dataset.same = 'yes' }")

    with site.page.expect_response(ORIGIN + STATE):
        site.page.evaluate("dispatchEvent(new Event('focus'))")

    expect(site.page.locator(".prose[data-same]")).to_have_count(1)
    expect(site.page.get_by_role("alert")).to_be_empty()


def test_a_message_sent_in_one_tab_is_at_once_in_the_other(site: Site) -> None:
    site.answer("GET", EVENTS, stream(block(0, "<p>Let me look.</p>")))
    site.answer("GET", STATE, conversation(ASKED, DENIED))
    site.open(CHAT, chat_page(thread=[ASKED, DENIED]))
    other = _another_tab(site, CHAT)
    expect(other.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    sent = {"id": STARTED["message"]["id"], "role": "user", "text": "And tomorrow?"}
    asked_on: list[Any] = [ASKED, DENIED, sent | {"client_key": None, "run": None}, AGAIN]
    site.answer("GET", STATE, gone_on(*asked_on))
    site.answer("POST", POSTS, STARTED, status=201)

    site.page.get_by_role("textbox", name="Message", exact=True).fill("And tomorrow?")
    site.page.get_by_role("button", name="Send", exact=True).click()

    for page in (site.page, other):
        expect(page.locator(".question__text")).to_have_text(["What is on today?", "And tomorrow?"])
        expect(page.locator(".answer .prose")).to_have_text(["Another time.", "Let me look."])
        expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()


CONNECTIONS = "/connections/"


@pytest.mark.parametrize(("left_at", "stays"), [(CONNECTIONS, CHAT), (CHAT, CONNECTIONS)])
def test_signing_out_in_one_tab_clears_the_others_at_once(
    site: Site, left_at: str, stays: str
) -> None:
    site.answer("GET", STATE, conversation(ASKED, DENIED))
    site.pages[CHAT] = chat_page(thread=[ASKED, DENIED])
    site.pages[CONNECTIONS] = page_of("portal/connections.html", {"grants": []}, user=bob())
    site.page.goto(ORIGIN + stays)
    expect(site.page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()

    _another_tab(site, left_at).get_by_role("button", name="Sign out", exact=True).click()

    expect(site.page.get_by_role("heading", name="You are signed out")).to_be_focused()
    link = site.page.get_by_role("link", name="Sign in", exact=True)
    expect(link).to_have_attribute("href", f"/oidc/authenticate/?{urlencode({'next': stays})}")
    expect(site.page).to_have_title("You are signed out · Daiko")
    said = site.page.locator("body").inner_text()
    assert not [words for words in ("today", "Another", "Bob", "Sign out") if words in said]
    expect(site.page.locator(".question, .answer, .conversation, textarea")).to_have_count(0)


def _another_tab(site: Site, path: str) -> Page:
    page = site.page.context.new_page()
    page.goto(ORIGIN + path)
    return page
