"""Nothing typed is lost, and nothing is sent twice."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from core.models import User
from tests.ui.site import (
    API,
    CHAT,
    CHAT_NEW,
    CONVERSATION,
    EVENTS,
    ORIGIN,
    POSTS,
    STARTED,
    Site,
    block,
    chat_page,
    conversation,
    finished,
    stream,
)


def kept(site: Site) -> list[str]:
    """Return under which names this browser keeps something, but for the theme."""
    names = site.page.evaluate("Object.keys(localStorage)")
    return [name for name in names if name != "theme"]


def box(site: Site) -> Locator:
    return site.page.get_by_role("textbox", name="Message", exact=True)


def send(site: Site) -> Locator:
    return site.page.get_by_role("button", name="Send", exact=True)


def ready_to_answer(site: Site) -> None:
    site.answer("POST", POSTS, STARTED, status=201)
    site.answer("GET", EVENTS, stream(block(0, "<p>Hello</p>"), finished()))
    site.answer("GET", f"{API}/conversations/{CONVERSATION}", conversation())


def test_enter_sends_and_shift_enter_starts_a_new_line(site: Site) -> None:
    ready_to_answer(site)
    site.open(CHAT, chat_page())

    box(site).press_sequentially("one")
    box(site).press("Shift+Enter")
    box(site).press_sequentially("two")
    assert site.sent() == []
    box(site).press("Enter")

    expect(site.page.get_by_text("Hello")).to_be_visible()
    assert [message["text"] for message in site.sent()] == ["one\ntwo"]
    expect(box(site)).to_have_value("")


def test_the_enter_that_chooses_a_word_of_an_input_method_does_not_send(site: Site) -> None:
    ready_to_answer(site)
    site.open(CHAT, chat_page())
    box(site).fill("きょう")

    for composing in ({"isComposing": True}, {"keyCode": 229}):
        box(site).dispatch_event("keydown", {"key": "Enter", **composing})

    assert site.sent() == []
    expect(box(site)).to_have_value("きょう")


def test_it_sends_nothing_when_nothing_is_written(site: Site) -> None:
    site.open(CHAT, chat_page())

    box(site).fill("  \n ")
    send(site).click()

    assert site.sent() == []


def test_nothing_can_be_typed_before_enter_would_send_it(site: Site) -> None:
    site.page.context.route("**/js/chat.js", lambda route: route.abort())
    site.open(CHAT, chat_page())

    expect(box(site)).not_to_be_editable()
    expect(send(site)).to_be_disabled()


def test_a_draft_survives_a_reload(site: Site) -> None:
    site.open(CHAT, chat_page())
    box(site).fill("not yet sent")

    site.page.reload()

    expect(box(site)).to_have_value("not yet sent")


def test_an_expired_sign_in_keeps_the_text_and_sends_it_once_under_one_key(site: Site) -> None:
    site.answer("POST", POSTS, {"error": "sign_in_required"}, status=401)
    site.open(CHAT, chat_page())
    box(site).fill("What is on my calendar today?")
    send(site).click()

    link = site.page.get_by_role("link", name="Sign in", exact=True)
    expect(link).to_have_attribute("href", f"/oidc/authenticate/?next=%2Fchat%2F{CONVERSATION}%2F")
    expect(box(site)).to_have_value("What is on my calendar today?")
    expect(site.page.locator(".question")).to_have_count(0)

    ready_to_answer(site)
    site.page.goto(ORIGIN + CHAT)
    expect(box(site)).to_have_value("What is on my calendar today?")
    send(site).click()
    expect(site.page.get_by_text("Hello")).to_be_visible()

    first, second = site.sent()
    assert first == second


def test_other_words_are_another_message(site: Site) -> None:
    site.answer("POST", POSTS, {"error": "internal", "message": "No."}, status=500)
    site.open(CHAT, chat_page())
    box(site).fill("one")
    send(site).click()
    expect(site.page.get_by_text("No.")).to_be_visible()

    box(site).fill("two")
    send(site).click()
    expect(send(site)).to_be_visible()

    first, second = site.sent()
    assert first["client_key"] != second["client_key"]


def test_a_draft_that_did_arrive_is_not_offered_again(site: Site) -> None:
    site.answer("POST", POSTS, {"error": "internal", "message": "No."}, status=500)
    site.open(CHAT, chat_page())
    box(site).fill("it did arrive")
    send(site).click()
    expect(site.page.get_by_text("No.")).to_be_visible()
    arrived = {
        "id": "1",
        "role": "user",
        "text": "it did arrive",
        "client_key": site.sent()[0]["client_key"],
    }

    site.open(CHAT, chat_page(thread=[arrived]))

    expect(site.page.locator(".question")).to_have_count(1)
    expect(send(site)).to_be_enabled()
    expect(box(site)).to_have_value("")
    assert kept(site) == []


def test_a_stale_page_keeps_the_text_and_offers_to_reload(site: Site) -> None:
    site.answer("POST", POSTS, {"error": "forbidden", "message": "CSRF"}, status=403)
    site.open(CHAT, chat_page())
    box(site).fill("still here")
    send(site).click()

    site.page.get_by_role("button", name="Reload the page").click()

    expect(box(site)).to_have_value("still here")


def test_a_site_that_is_away_keeps_the_text(site: Site) -> None:
    site.open(CHAT, chat_page())
    box(site).fill("still here")
    site.page.context.route(ORIGIN + POSTS, lambda route: route.abort())

    send(site).click()

    expect(site.page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(box(site)).to_have_value("still here")
    expect(site.page.locator(".question")).to_have_count(0)


def test_the_first_message_makes_the_conversation_and_the_page_becomes_its_own(site: Site) -> None:
    ready_to_answer(site)
    site.answer("POST", f"{API}/conversations", {"id": CONVERSATION, "url": CHAT}, status=201)
    site.open(CHAT_NEW, chat_page(conversation=None))

    box(site).fill("What is on my calendar today?")
    send(site).click()

    expect(site.page).to_have_url(ORIGIN + CHAT)
    entry = site.page.get_by_role("navigation", name="Conversations").get_by_role("link")
    expect(entry).to_have_attribute("href", CHAT)
    expect(site.page).to_have_title("Today · Daiko")
    assert site.sent(f"{API}/conversations") == [{"agent": "concierge-a1b2c3d4e5"}]


def test_nobody_else_finds_the_draft_on_a_shared_machine(site: Site) -> None:
    site.open(CHAT_NEW, chat_page(conversation=None))
    box(site).fill("from bob")

    carol = User(pk=3, username="u3")
    site.open(CHAT_NEW, chat_page(conversation=None, user=carol))
    expect(send(site)).to_be_enabled()
    expect(box(site)).to_have_value("")

    site.open(CHAT_NEW, chat_page(conversation=None))
    expect(box(site)).to_have_value("from bob")


def test_signing_out_leaves_no_draft_behind(site: Site) -> None:
    site.open(CHAT, chat_page())
    box(site).fill("private")
    assert len(kept(site)) == 1

    site.page.get_by_role("button", name="Sign out", exact=True).click()
    site.page.wait_for_url("**/oidc/logout/")

    assert kept(site) == []
