"""Every page: the strict policy holds, nothing overflows a phone, the names are there."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any, Literal

import pytest
from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import Browser, expect

from portal.activity import Asked, Choices, Deed
from portal.last_use import LastUse
from tests.ui.site import AGENT, Json, Site, bob, chat_page, page_of
from vault.asked.scopes import ScopeInWords

SCOPE = {"name": "calendar.read", "words": "See the events in your calendar"}
LONG = {"name": f"https://provider.example/{'auth/' * 12}read", "words": ""}
OUTCOMES = [
    "granted", "denied", "expired", "withdrawn", "used", "unknown", "wrong_person", "wrong_browser",
    "unfinished", "away", "closed", "failed", "overtaken",
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
        "is_told": True,
        "account_url": "",
    }
    return held | changes


def ended(outcome: str, **changes: Any) -> dict[str, Any]:
    over = {
        "id": uuid.uuid4(),
        "provider": "Acme Calendar",
        "agent": "Concierge",
        "ended_at": timezone.now(),
        "by_person": True,
        "outcome": outcome,
        "told": "Acme Calendar does not answer.",
        "account_url": "",
    }
    return over | changes


def deed(**changes: Any) -> Deed:
    return replace(
        Deed(
            at=timezone.now(),
            action="vault.token.released",
            what="Concierge got a token for Acme Calendar",
            outcome="allowed",
            agent="Concierge",
            provider="Acme Calendar",
            scopes=[ScopeInWords(**SCOPE), ScopeInWords(**LONG)],
            through=["Planner", "Scheduler"],
        ),
        **changes,
    )


def activity(*deeds: Deed) -> str:
    names = [("concierge-0123456789", "Concierge " * 5)]
    shown = {
        "deeds": deeds,
        "asked": Asked(agent=names[0][0]) if deeds else Asked(),
        "choices": Choices(names, [("acme", "Acme Calendar")], [("calls", "Calls to agents")]),
        "is_narrowed": bool(deeds),
        "older": "before=x" if deeds else "",
    }
    return page_of("portal/activity.html", shown, user=bob())


def trouble(kind: str) -> dict[str, Any]:
    names = {"provider": "Acme Calendar", "agent": "Concierge"}
    return {"id": uuid.uuid4(), "trouble": kind, **names}


def done(outcome: str, **more: str) -> str:
    context = {"outcome": outcome, "agent": "Concierge", "provider": "Acme", "reference": "7F3K"}
    return page_of("portal/consent_done.html", context | more, user=bob())


def choose(agents: list[Json]) -> str:
    context = {"agents": agents, "conversations": [], "agent": None, "conversation": None}
    return page_of("portal/chat.html", context, user=bob())


def pages() -> dict[str, str]:
    failed = {"id": "r", "status": "failed", "code": "", "notice": "Concierge does not answer."}
    said = {"id": "1", "role": "user", "text": "word" * 80, "client_key": None}
    heard = {"id": "2", "role": "assistant", "text": "", "html": "", "run": failed}
    used = {"last_used_at": timezone.now()}
    grants = [
        grant(**used),
        grant(**used, state="attention", can_reconnect=True, notice="Acme ended it."),
    ]
    uses = [LastUse(in_chat=True), LastUse(in_chat=False)]
    attention = [trouble("over"), trouble("away"), trouble("refused")]
    over = [ended("provider_away"), ended("no_endpoint", account_url="https://acme.example/apps")]
    error = {"title": "Signing in failed", "message": "Try again.", "reference": "7F3K"}
    return {
        "welcome": page_of("portal/welcome.html", {}),
        "where to sign in": page_of(
            "portal/choose_provider.html",
            {"links": [("Our house", "/1"), ("Partner " * 12, "/2")], "known": True},
        ),
        "choose": choose([AGENT]),
        "choose from none": choose([]),
        "new chat": chat_page(conversation=None),
        "chat": chat_page(thread=[said, heard]),
        "closed chat": chat_page(thread=[said], closed_notice="Concierge is switched off."),
        "connections": page_of(
            "portal/connections.html",
            {"grants": list(zip(grants, uses, strict=True)), "ended": over, "attention": attention},
            user=bob(),
        ),
        "activity": activity(deed(), deed(outcome="refused"), deed(outcome="failed")),
        "your data": page_of(
            "portal/my_data.html", {"conversations": 12, "deleted": 3}, user=bob()
        ),
        "nothing to delete": page_of("portal/my_data.html", {}, user=bob()),
        "delete conversations": page_of(
            "portal/conversations_delete.html", {"conversations": 12}, user=bob()
        ),
        "no activity": activity(),
        "chat with trouble": chat_page(thread=[said], attention=attention),
        "reconnect": page_of("portal/reconnect.html", {"url": "#", "provider": "Acme"}, user=bob()),
        "disconnect": page_of("portal/disconnect.html", {"grant": grants[0]}, user=bob()),
        "signed out": page_of("portal/signed_out.html", {"elsewhere": "https://idp.example/out"}),
        "no connections": page_of("portal/connections.html", {"grants": []}, user=bob()),
        **{f"consent {outcome}": done(outcome) for outcome in OUTCOMES},
        "sign in again": page_of("portal/sign_in_again.html", {"url": "#"}, user=bob()),
        "sign in again for a list": page_of(
            "portal/sign_in_again.html", {"url": "#", "ticked": [("action", "x")]}, user=bob()
        ),
        "error": page_of("portal/error.html", error),
        "closed to bob": page_of("portal/error.html", error | {"status": 403}, user=bob()),
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


@pytest.mark.parametrize("chat_url", ["/c/1/", ""])
def test_who_connected_is_told_of_an_answer_only_where_a_chat_waits(chat_url: str) -> None:
    html = done("granted", chat_url=chat_url)

    assert ("its answer goes on in the chat" in html) is bool(chat_url)
    assert ("may now use it on your behalf." in html) is not bool(chat_url)


def test_the_error_page_of_last_resort_needs_nothing_but_itself(site: Site) -> None:
    site.open("/broken/", render_to_string("500.html"))

    expect(site.page.get_by_role("heading", name="Something went wrong")).to_be_visible()


def open_connections(site: Site, *grants: dict[str, Any]) -> None:
    held = [(one, None) for one in grants]
    site.open("/connections/", page_of("portal/connections.html", {"grants": held}, user=bob()))


def test_disconnect_asks_first_and_nothing_else_can_be_reached_until_it_is_answered(
    site: Site,
) -> None:
    open_connections(site, grant())
    disconnect = site.page.get_by_role("button", name="Disconnect", exact=True)

    disconnect.focus()
    site.page.keyboard.press("Enter")
    dialog = site.page.get_by_role("alertdialog", name="Disconnect Acme Calendar from Concierge?")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    assert dialog.evaluate("dialog => dialog.matches(':modal')")
    for _ in range(4):
        site.page.keyboard.press("Tab")
        inside = "document.querySelector('dialog').contains(document.activeElement)"
        assert site.page.evaluate(f"{inside} || document.activeElement === document.body")

    site.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(disconnect).to_be_focused()
    assert site.calls == []


def test_keeping_a_connection_leads_back_to_the_button(site: Site) -> None:
    open_connections(site, grant())
    disconnect = site.page.get_by_role("button", name="Disconnect", exact=True)

    disconnect.click()
    site.page.get_by_role("alertdialog").get_by_role("button", name="Keep it").click()

    expect(site.page.get_by_role("alertdialog")).to_have_count(0)
    expect(disconnect).to_be_focused()
    assert site.calls == []


def test_disconnect_posts_once_it_is_confirmed(site: Site) -> None:
    held = grant()
    open_connections(site, held)

    site.page.get_by_role("button", name="Disconnect", exact=True).click()
    dialog = site.page.get_by_role("alertdialog")
    dialog.get_by_role("button", name="Disconnect", exact=True).click()
    path = f"/connections/{held['id']}/disconnect/"
    site.page.wait_for_url(f"**{path}")

    assert [(method, at) for method, at, _ in site.calls] == [("POST", path)]


def test_disconnect_pressed_twice_is_sent_once(site: Site) -> None:
    held = grant()
    open_connections(site, held)

    site.page.get_by_role("button", name="Disconnect", exact=True).click()
    with site.page.expect_navigation():
        site.page.evaluate(
            "for (const _ of [1, 2]) document.querySelector('dialog .button--danger').click()"
        )

    assert [method for method, _, _ in site.calls] == ["POST"]


def test_without_script_disconnect_leads_to_a_page_that_asks(browser: Browser) -> None:
    held = grant()
    path = f"/connections/{held['id']}/disconnect/"
    context = browser.new_context(java_script_enabled=False)
    site = Site(context.new_page())
    site.pages[path] = page_of("portal/disconnect.html", {"grant": held}, user=bob())
    open_connections(site, held)

    site.page.get_by_role("button", name="Disconnect", exact=True).click()
    expect(site.page.get_by_role("heading", name="Disconnect Acme Calendar")).to_be_visible()
    site.page.get_by_role("button", name="Disconnect", exact=True).click()

    assert [(method, at) for method, at, _ in site.calls] == [("POST", path)]
    assert site.complaints == []
    context.close()


@pytest.mark.parametrize(
    ("is_told", "words"),
    [
        (True, "Acme Calendar is told at once to end the access there too."),
        (False, "Acme Calendar offers no way to be told"),
        (None, "Acme Calendar does not answer right now."),
    ],
)
def test_it_says_what_becomes_of_the_access_at_this_very_provider(
    is_told: bool | None, words: str, site: Site
) -> None:
    open_connections(site, grant(is_told=is_told, account_url="https://acme.example/apps"))

    site.page.get_by_role("button", name="Disconnect", exact=True).click()

    dialog = site.page.get_by_role("alertdialog")
    expect(dialog).to_contain_text(words)
    link = dialog.get_by_role("link", name="remove this site at Acme Calendar")
    expect(link).to_have_count(1 if is_told is False else 0)


@pytest.mark.parametrize("width", [320, 360, 390])
def test_a_phone_has_the_whole_header_in_a_menu(site: Site, width: int) -> None:
    site.page.set_viewport_size({"width": width, "height": 740})
    open_connections(site)
    sign_out = site.page.get_by_role("button", name="Sign out")
    expect(site.page.get_by_role("link", name="Daiko")).to_be_visible()
    expect(sign_out).to_have_count(0)

    site.page.get_by_role("button", name="Menu").click()

    for name in ("Chat", "Connections", "Activity", "Admin"):
        expect(site.page.get_by_role("link", name=name, exact=True)).to_be_in_viewport(ratio=1)
    expect(sign_out).to_be_in_viewport(ratio=1)
    expect(site.page.get_by_text("Bob")).to_be_visible()
    cut = "[...document.querySelectorAll('.top *')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    assert site.page.evaluate(f"{cut}.filter(e => e.clientWidth).length") == 0
    site.page.keyboard.press("Escape")
    expect(sign_out).to_have_count(0)


def test_a_desk_has_the_whole_header_in_a_line(site: Site) -> None:
    site.page.set_viewport_size({"width": 1000, "height": 700})
    open_connections(site)

    expect(site.page.get_by_role("button", name="Menu")).to_have_count(0)
    expect(site.page.get_by_role("button", name="Sign out")).to_be_in_viewport(ratio=1)
    expect(site.page.get_by_role("link", name="Connections")).to_be_in_viewport(ratio=1)


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


@pytest.mark.parametrize("name", ["choose", "new chat"])
def test_who_may_be_talked_to_says_what_it_may_ask_for(name: str, site: Site) -> None:
    site.open("/", pages()["choose"] if name == "choose" else chat_page())

    reach = site.page.locator("main .reach")
    expect(reach).to_have_text("May ask you for Acme Calendar (connected) Acme Contacts")


def test_deleting_all_conversations_asks_first(site: Site) -> None:
    html = page_of("portal/my_data.html", {"conversations": 12}, user=bob())
    site.open("/connections/data/", html)
    delete = site.page.get_by_role("button", name="Delete all")

    delete.click()
    question = site.page.get_by_role("alertdialog", name="Delete all 12 conversations?")
    expect(question).to_be_visible()
    expect(question.get_by_role("button", name="Keep them")).to_be_focused()
    question.get_by_role("button", name="Keep them").click()
    expect(question).to_be_hidden()
    assert site.calls == []

    delete.click()
    question.get_by_role("button", name="Delete all").click()
    site.page.wait_for_url("**/connections/data/delete/")
    assert [(method, at) for method, at, _ in site.calls] == [("POST", "/connections/data/delete/")]
