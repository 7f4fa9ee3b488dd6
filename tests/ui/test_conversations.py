"""The list of conversations: found, named, pinned, taken away, deleted, and brought back."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from core.models import User
from tests.ui.site import (
    AGENT,
    API,
    CHAT,
    CONVERSATION,
    ORIGIN,
    Json,
    Site,
    bob,
    chat_page,
    page_of,
)

LIST = f"{API}/conversations"
OTHER = "11111111-8a55-4c0d-9e0f-3b9a0f1f2a11"
AT = "2026-11-20T10:00:00+00:00"


def kept(number: str, title: str, *, pinned: bool = False) -> Json:
    agent = {"id": AGENT["id"], "name": AGENT["name"]}
    told = {"id": number, "title": title, "agent": agent, "updated_at": AT}
    return told | {"pinned": pinned, "url": f"/chat/{number}/"}


TODAY, TRIP = kept(CONVERSATION, "Today"), kept(OTHER, "Trip to Osaka")


@pytest.fixture
def opened(site: Site) -> Site:
    """The chat in the conversation `Today`, beside another one."""
    site.answer("GET", LIST, [TODAY, TRIP])
    site.open(CHAT, chat_page(conversations=[TODAY, TRIP], conversation=TODAY))
    return site


def titles(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Conversations").get_by_role("link")


def choose(page: Page, title: str, what: str) -> None:
    page.get_by_role("button", name=f"More about {title}").click()
    page.get_by_role("button", name=what, exact=True).click()


def bodies(site: Site, method: str, path: str) -> list[Any]:
    return [body for how, at, body in site.calls if (how, at) == (method, path)]


def test_what_is_typed_is_searched_for_and_an_empty_field_shows_all(opened: Site) -> None:
    page = opened.page
    opened.answer("GET", LIST, [TRIP])
    search = page.get_by_role("searchbox", name="Search conversations")

    with page.expect_request(lambda request: "words=" in request.url) as asked:
        search.fill("osaka trip")
    assert parse_qs(urlsplit(asked.value.url).query) == {"words": ["osaka trip"]}
    expect(titles(page)).to_have_text(["Trip to Osaka"])
    expect(page.get_by_text("Found: 1", exact=True)).to_be_visible()

    opened.answer("GET", LIST, [])
    search.fill("kyoto")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    expect(titles(page)).to_have_count(0)

    opened.answer("GET", LIST, [TODAY, TRIP])
    search.fill("")
    expect(titles(page)).to_have_text(["Today", "Trip to Osaka"])
    expect(page.get_by_text("Found")).to_have_count(0)
    expect(titles(page).first).to_have_attribute("aria-current", "page")


def test_a_new_name_stands_in_the_list_in_the_bar_and_in_the_tab(opened: Site) -> None:
    page = opened.page
    path = f"{LIST}/{CONVERSATION}"
    choose(page, "Today", "Rename")
    field = page.get_by_role("dialog").get_by_role("textbox", name="Name")
    expect(field).to_have_value("Today")
    expect(field).to_be_focused()

    opened.answer("PATCH", path, {"error": "title_refused", "message": "Too long."}, status=400)
    field.fill("x")
    field.press("Enter")
    expect(page.get_by_role("alert").get_by_text("Too long.")).to_be_visible()

    named = TODAY | {"title": "Monday plans"}
    opened.answer("PATCH", path, named)
    opened.answer("GET", LIST, [named, TRIP])
    field.fill("Monday plans")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(titles(page)).to_have_text(["Monday plans", "Trip to Osaka"])
    expect(page.get_by_role("heading", level=1)).to_have_text("Monday plans")
    expect(page).to_have_title(re.compile("^Monday plans"))
    assert bodies(opened, "PATCH", path) == [{"title": "x"}, {"title": "Monday plans"}]


def test_a_pinned_one_says_so_and_can_be_let_go(opened: Site) -> None:
    page, path = opened.page, f"{LIST}/{OTHER}"
    pinned = TRIP | {"pinned": True}
    opened.answer("PATCH", path, pinned)
    opened.answer("GET", LIST, [pinned, TODAY])

    choose(page, "Trip to Osaka", "Pin")
    expect(titles(page)).to_have_text(["Trip to Osaka", "Today"])
    expect(page.get_by_text("Pinned").filter(visible=True)).to_have_count(1)

    page.get_by_role("button", name="More about Trip to Osaka").click()
    expect(page.get_by_role("button", name="Pin", exact=True)).to_have_count(0)
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.get_by_role("button", name="Unpin", exact=True).click()
    assert bodies(opened, "PATCH", path) == [{"pinned": True}, {"pinned": False}]


def test_a_deleted_one_is_brought_back_by_undo(opened: Site) -> None:
    page, path = opened.page, f"{LIST}/{OTHER}"
    opened.answer("DELETE", path, {})
    opened.answer("GET", LIST, [TODAY])

    choose(page, "Trip to Osaka", "Delete")
    expect(titles(page)).to_have_text(["Today"])
    expect(page.get_by_role("status").get_by_text("Trip to Osaka was deleted.")).to_be_visible()

    opened.answer("POST", f"{path}/restore", TRIP)
    opened.answer("GET", LIST, [TODAY, TRIP])
    page.get_by_role("button", name="Undo").click()
    expect(titles(page)).to_have_text(["Today", "Trip to Osaka"])
    expect(page.get_by_text("was deleted").filter(visible=True)).to_have_count(0)
    assert len(opened.sent(f"{path}/restore")) == 1


def test_undo_is_at_hand_on_a_phone_too(opened: Site) -> None:
    page, path = opened.page, f"{LIST}/{OTHER}"
    page.set_viewport_size({"width": 360, "height": 740})
    opened.answer("DELETE", path, {})
    opened.answer("POST", f"{path}/restore", TRIP)
    page.get_by_role("button", name="Conversations").click()

    choose(page, "Trip to Osaka", "Delete")
    page.get_by_role("button", name="Undo").click()

    expect(page.get_by_text("was deleted").filter(visible=True)).to_have_count(0)
    assert len(opened.sent(f"{path}/restore")) == 1


def test_who_deletes_the_one_on_the_page_is_led_away_and_can_still_undo(opened: Site) -> None:
    page, path = opened.page, f"{LIST}/{CONVERSATION}"
    opened.pages["/"] = page_of(
        "portal/chat.html",
        {"agents": [AGENT], "conversations": [TRIP], "agent": None, "conversation": None},
        user=bob(),
    )
    opened.answer("DELETE", path, {})
    opened.answer("POST", f"{path}/restore", TODAY)

    choose(page, "Today", "Delete")

    expect(page.get_by_role("heading", name="Who should act for you?")).to_be_visible()
    expect(titles(page)).to_have_text(["Trip to Osaka"])
    page.get_by_role("button", name="Undo").click()
    expect(titles(page)).to_have_text(["Today", "Trip to Osaka"])
    page.reload()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_whoever_comes_next_is_told_nothing_of_what_somebody_deleted(opened: Site) -> None:
    page = opened.page
    context = {"agents": [AGENT], "conversations": [], "agent": None, "conversation": None}
    alice = User(pk=1, username="u1", name="Alice")
    opened.pages["/"] = page_of("portal/chat.html", context, user=alice)
    opened.answer("DELETE", f"{LIST}/{CONVERSATION}", {})

    choose(page, "Today", "Delete")

    page.wait_for_url(f"{ORIGIN}/")  # loaded, and so its script has run
    expect(page.get_by_text("Alice")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    opened.pages["/"] = page_of("portal/chat.html", context, user=bob())
    page.reload()
    expect(page.get_by_text("Bob")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_the_files_of_the_very_conversation_are_offered(opened: Site) -> None:
    page = opened.page
    page.get_by_role("button", name="More about Trip to Osaka").click()

    for name, kind in (("Save as Markdown", "markdown"), ("Save as JSON", "json")):
        link = page.get_by_role("link", name=name)
        expect(link).to_have_attribute("href", f"/chat/{OTHER}/export/{kind}/")


def test_the_menu_is_reached_and_left_by_keyboard(opened: Site) -> None:
    page = opened.page
    more = page.get_by_role("button", name="More about Trip to Osaka")
    more.focus()
    expect(more).to_be_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Rename")).to_be_focused()

    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Rename")).to_have_count(0)
    expect(more).to_be_focused()


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1280, 800), (360, 320)])
def test_the_menu_stands_within_the_page(opened: Site, width: int, height: int) -> None:
    page = opened.page
    page.set_viewport_size({"width": width, "height": height})
    if width < 900:
        page.get_by_role("button", name="Conversations").click()
    page.get_by_role("button", name="More about Trip to Osaka").click()

    box = page.locator("#conversation-menu").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] >= 0
    expect(page.get_by_role("button", name="Delete")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (503, {"message": "The site has no time."}, "The site has no time."),
        (500, {}, "That did not work. Please try again."),
        (403, {}, "This page is out of date. Please reload it."),
    ],
)
def test_what_does_not_work_is_said_and_changes_nothing(
    opened: Site, status: int, answer: Json, words: str
) -> None:
    opened.answer("DELETE", f"{LIST}/{OTHER}", answer, status=status)

    choose(opened.page, "Trip to Osaka", "Delete")

    expect(opened.page.get_by_role("status").get_by_text(words)).to_be_visible()
    expect(opened.page.get_by_role("button", name="Undo")).to_have_count(0)
    expect(titles(opened.page)).to_have_text(["Today", "Trip to Osaka"])


def test_nothing_stays_of_whoever_turns_out_to_be_signed_out(opened: Site) -> None:
    opened.answer("DELETE", f"{LIST}/{OTHER}", {"error": "sign_in_required"}, status=401)

    choose(opened.page, "Trip to Osaka", "Delete")

    expect(opened.page.get_by_role("heading", level=1)).to_have_text(re.compile("signed out"))
    expect(opened.page.get_by_text("Trip to Osaka")).to_have_count(0)


def test_what_is_done_in_one_tab_is_seen_in_the_other(opened: Site) -> None:
    other = opened.page.context.new_page()
    other.goto(opened.page.url)
    expect(titles(other)).to_have_text(["Today", "Trip to Osaka"])
    opened.answer("DELETE", f"{LIST}/{OTHER}", {})
    opened.answer("GET", LIST, [TODAY])

    choose(opened.page, "Trip to Osaka", "Delete")

    expect(titles(other)).to_have_text(["Today"])
