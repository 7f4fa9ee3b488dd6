"""Every page: the strict policy holds, nothing overflows a phone, the names are there."""

from __future__ import annotations

import uuid
from typing import Any, Literal

import pytest
from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import expect

from tests.ui.site import AGENT, Site, bob, chat_page, page_of

SCOPE = {"name": "calendar.read", "words": "See the events in your calendar"}
LONG = {"name": f"https://provider.example/{'auth/' * 12}read", "words": ""}
OUTCOMES = [
    "granted", "denied", "expired", "withdrawn", "used", "unknown", "wrong_person", "wrong_browser",
    "unfinished", "away", "closed", "failed",
]  # fmt: skip


def grant(**changes: Any) -> dict[str, Any]:
    now = timezone.now()
    held = {
        "id": uuid.uuid4(),
        "provider": "Acme Calendar",
        "agent": "Concierge",
        "scopes": [SCOPE, LONG],
        "granted_at": now,
        "last_used_at": None,
        "state": "connected",
        "notice": "",
    }
    return held | changes


def done(outcome: str) -> str:
    context = {"outcome": outcome, "agent": "Concierge", "provider": "Acme", "reference": "7F3K"}
    return page_of("portal/consent_done.html", context, user=bob())


def choose(agents: list[dict[str, str]]) -> str:
    context = {"agents": agents, "conversations": [], "agent": None, "conversation": None}
    return page_of("portal/chat.html", context, user=bob())


def pages() -> dict[str, str]:
    failed = {"id": "r", "status": "failed", "code": "", "notice": "Concierge does not answer."}
    said = {"id": "1", "role": "user", "text": "word" * 80, "client_key": None}
    heard = {"id": "2", "role": "assistant", "text": "", "html": "", "run": failed}
    grants = [grant(), grant(state="attention", notice="Acme ended it.")]
    error = {"title": "Signing in failed", "message": "Try again.", "reference": "7F3K"}
    return {
        "welcome": page_of("portal/welcome.html", {}),
        "choose": choose([AGENT]),
        "choose from none": choose([]),
        "new chat": chat_page(conversation=None),
        "chat": chat_page(thread=[said, heard]),
        "closed chat": chat_page(thread=[said], closed_notice="Concierge is switched off."),
        "connections": page_of("portal/connections.html", {"grants": grants}, user=bob()),
        "no connections": page_of("portal/connections.html", {"grants": []}, user=bob()),
        **{f"consent {outcome}": done(outcome) for outcome in OUTCOMES},
        "error": page_of("portal/error.html", error),
        **{name: page_of(f"{name}.html", {}) for name in ("400", "403", "403_csrf", "404")},
        "500": render_to_string("500.html"),
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_keeps_the_policy_and_fits_a_phone(
    site: Site, theme: Literal["light", "dark"]
) -> None:
    site.page.emulate_media(color_scheme=theme)
    site.page.set_viewport_size({"width": 360, "height": 740})
    for name, html in pages().items():
        site.open(f"/{name.replace(' ', '-')}/", html)

        assert site.complaints == [], name
        width = site.page.evaluate("document.documentElement.scrollWidth")
        assert width == 360, name
        expect(site.page.get_by_role("heading", level=1)).to_have_count(1)
        expect(site.page.get_by_role("main")).to_have_count(1)


def test_the_error_page_of_last_resort_needs_nothing_but_itself(site: Site) -> None:
    site.open("/broken/", render_to_string("500.html"))

    expect(site.page.get_by_role("heading", name="Something went wrong")).to_be_visible()


def test_disconnect_asks_first_and_escape_keeps_the_connection(site: Site) -> None:
    site.open(
        "/connections/", page_of("portal/connections.html", {"grants": [grant()]}, user=bob())
    )
    disconnect = site.page.get_by_role("button", name="Disconnect", exact=True)

    disconnect.click()
    expect(site.page.get_by_role("alertdialog")).to_contain_text("Disconnect Acme Calendar")
    site.page.keyboard.press("Escape")

    expect(site.page.get_by_role("alertdialog")).to_have_count(0)
    assert site.calls == []


def test_disconnect_posts_once_it_is_confirmed(site: Site) -> None:
    held = grant()
    site.open("/connections/", page_of("portal/connections.html", {"grants": [held]}, user=bob()))

    site.page.get_by_role("button", name="Disconnect", exact=True).click()
    dialog = site.page.get_by_role("alertdialog")
    dialog.get_by_role("button", name="Disconnect", exact=True).click()
    path = f"/connections/{held['id']}/disconnect/"
    site.page.wait_for_url(f"**{path}")

    assert [(method, at) for method, at, _ in site.calls] == [("POST", path)]


def test_conversations_are_a_drawer_on_a_phone(site: Site) -> None:
    site.page.set_viewport_size({"width": 360, "height": 740})
    site.open("/chat/", chat_page())
    new_chat = site.page.get_by_role("complementary").get_by_role("link", name="New chat")
    expect(new_chat).to_have_count(0)

    site.page.get_by_role("button", name="Conversations").click()
    expect(new_chat).to_be_visible()
    site.page.keyboard.press("Escape")

    expect(new_chat).to_have_count(0)


def test_the_first_key_press_leads_to_the_content(site: Site) -> None:
    site.open("/", choose([AGENT]))

    site.page.keyboard.press("Tab")
    expect(site.page.get_by_role("link", name="Skip to content")).to_be_focused()
    site.page.keyboard.press("Enter")

    expect(site.page.get_by_role("main")).to_be_focused()


def test_staff_alone_are_shown_the_admin(site: Site) -> None:
    somebody = bob()
    somebody.is_staff = False
    site.open("/", page_of("portal/connections.html", {"grants": []}, user=somebody))
    expect(site.page.get_by_role("link", name="Admin")).to_have_count(0)

    site.open("/", page_of("portal/connections.html", {"grants": []}, user=bob()))
    expect(site.page.get_by_role("link", name="Admin")).to_be_visible()
