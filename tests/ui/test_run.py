"""What a run tells is what the page shows: once, in its place, and no markup but the answer's."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.ui.site import (
    API,
    CHAT,
    CONVERSATION,
    EVENTS,
    RUN,
    Json,
    Site,
    chat_page,
    consent,
    conversation,
    event,
    finished,
    stream,
)

RUNNING = {"id": RUN, "events": EVENTS}
STATE = f"{API}/conversations/{CONVERSATION}"


def question(text: str = "What is on my calendar today?") -> Json:
    return {"id": "1", "role": "user", "text": text, "client_key": None}


def answer(status: str, **changes: Any) -> Json:
    run = {"id": RUN, "status": status, "code": "", "notice": changes.pop("notice", "")}
    return {"id": "2", "role": "assistant", "text": "", "html": "", "run": run, **changes}


def block(index: int, html: str) -> tuple[str, Json]:
    return "block", {"index": index, "html": html}


def follow(site: Site, *events: tuple[str, Json], after: Json | None = None) -> None:
    """Open the conversation in the middle of a run that tells `events`."""
    site.answer("GET", EVENTS, stream(*events))
    site.answer("GET", STATE, after or conversation())
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))


def test_a_block_told_again_takes_the_place_of_what_it_was(site: Site) -> None:
    follow(
        site,
        block(1, "<p>second</p>"),
        block(0, "<p>fir</p>"),
        block(0, "<p>first</p>"),
        finished(),
    )

    expect(site.page.locator(".answer .prose")).to_have_text(["first", "second"])


def test_a_run_read_again_from_its_beginning_shows_nothing_twice(site: Site) -> None:
    told = stream(
        block(0, "<p>once</p>"), ("tool", {"id": "t", "title": "Reading", "state": "running"})
    )
    both = stream(
        block(0, "<p>once</p>"),
        ("tool", {"id": "t", "title": "Reading", "state": "running"}),
        block(1, "<p>more</p>"),
        finished(),
    )
    site.answer("GET", EVENTS, told.replace("600000", "50"), both)
    site.answer("GET", STATE, conversation())
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))

    expect(site.page.locator(".answer .prose")).to_have_text(["once", "more"])
    expect(site.page.locator(".tool")).to_have_count(1)
    expect(site.page.locator(".answer")).to_have_count(1)


def test_a_run_read_again_does_not_go_back_to_what_was_before(site: Site) -> None:
    first = stream(consent(), consent(state="granted"), block(0, "<p>so far</p>"))
    again = event(*consent(), number=1) + event(*block(1, "<p>more</p>"), number=4)
    site.answer("GET", EVENTS, first.replace("600000", "50"), "retry: 600000\n\n" + again)
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))

    expect(site.page.locator(".answer .prose")).to_have_text(["so far", "more"])
    expect(site.page.locator(".consent")).to_have_text("Connected to Acme Calendar")


def test_what_the_page_came_with_gives_way_to_the_events(site: Site) -> None:
    site.answer("GET", EVENTS, stream(block(0, "<p>whole</p>"), finished()))
    site.answer("GET", STATE, conversation())
    early = answer("running", html="half")
    site.open(CHAT, chat_page(thread=[question(), early], active_run=RUNNING))

    expect(site.page.locator(".answer .prose")).to_have_text(["whole"])
    expect(site.page.locator(".answer")).to_have_count(1)


def test_markup_in_anything_but_the_answer_stays_text(site: Site) -> None:
    evil = "<img src=x onerror=alert(1)>"
    site.answer(
        "GET",
        EVENTS,
        stream(
            ("tool", {"id": "t", "title": evil, "state": "done"}),
            consent(agent=evil, provider=evil, scopes=[{"name": evil, "words": evil}]),
            finished("failed", evil),
        ),
    )
    site.answer("GET", STATE, conversation())
    site.open(CHAT, chat_page(thread=[question(evil)], active_run=RUNNING))

    expect(site.page.locator(".answer .state")).to_have_text(evil)
    expect(site.page.locator(".tool")).to_contain_text(evil)
    expect(site.page.locator("img")).to_have_count(0)


def test_a_consent_card_says_who_asks_for_what_and_why(site: Site) -> None:
    follow(site, consent())

    card = site.page.locator(".consent")
    expect(card).to_contain_text("Concierge asks to use Acme Calendar on your behalf")
    expect(card).to_contain_text("To answer your message “What is on my calendar today?”")
    expect(card).to_contain_text("See the events in your calendar calendar.read")
    link = card.get_by_role("link", name="Connect", exact=True)
    expect(link).to_have_attribute("target", "_blank")
    expect(link).to_have_attribute("rel", "noopener")
    expect(site.page.get_by_text("Waiting for your consent")).to_be_visible()
    expect(site.page).to_have_title("Consent needed · Concierge · Daiko")


def test_a_consent_card_never_links_to_a_script(site: Site) -> None:
    follow(site, consent(url="javascript:alert(1)"))

    expect(site.page.locator(".consent")).to_contain_text("Acme Calendar")
    assert site.page.locator(".consent a").get_attribute("href") is None


def test_a_card_is_gone_when_the_connection_is_made(site: Site) -> None:
    follow(site, consent(), consent(state="completing"), consent(state="granted"))

    expect(site.page.locator(".consent")).to_have_text("Connected to Acme Calendar")
    expect(site.page.get_by_role("link", name="Connect", exact=True)).to_have_count(0)


def test_a_card_says_that_it_was_denied_and_the_answer_can_be_retried(site: Site) -> None:
    follow(site, consent(), consent(state="denied", notice="You said no."), finished("failed"))

    expect(site.page.locator(".consent")).to_have_text("You said no.")
    expect(site.page.get_by_role("button", name="Retry", exact=True)).to_be_visible()


def test_a_notice_at_the_end_takes_the_place_of_the_card_that_was_denied(site: Site) -> None:
    told = consent(state="denied", notice="You said no.")
    follow(
        site, consent(), told, block(0, "<p>Another time.</p>"), finished("done", "You said no.")
    )

    expect(site.page.locator(".answer .state")).to_have_text("You said no.")
    expect(site.page.locator(".consent")).to_be_hidden()


def test_a_card_cannot_be_answered_any_more_when_the_run_is_over(site: Site) -> None:
    follow(site, consent(), finished("stopped"))

    expect(site.page.get_by_role("link", name="Connect", exact=True)).to_have_count(0)
    expect(site.page.locator(".consent")).to_contain_text("was closed")


def test_a_tool_that_was_cut_off_is_neither_busy_nor_done(site: Site) -> None:
    follow(site, ("tool", {"id": "t", "title": "Reading", "state": "running"}), finished("stopped"))

    tool = site.page.locator(".tool")
    expect(tool).to_have_text("Reading")
    expect(tool.locator(".spinner")).to_be_hidden()


def test_it_is_told_that_an_answer_is_finished_and_not_each_of_its_words(site: Site) -> None:
    follow(site, block(0, "<p>The dentist, at three</p>"), finished())

    announcer = site.page.locator("#announcer")
    expect(announcer).to_have_text("Concierge has answered.")
    expect(announcer).to_have_attribute("role", "status")
    assert site.page.locator(".answer [aria-live], .answer [role=status]").count() == 0


def test_stop_asks_the_site_once_and_shows_how_it_ended(site: Site) -> None:
    path = f"{API}/runs/{RUN}/stop"
    site.answer("POST", path, {}, status=202)
    follow(site, block(0, "<p>half an</p>"))

    stop = site.page.get_by_role("button", name="Stop", exact=True)
    stop.dblclick()

    expect(site.page.get_by_text("Stopping…")).to_be_visible()
    assert len(site.sent(path)) == 1


def test_retry_takes_the_place_of_the_answer_that_failed(site: Site) -> None:
    again = "99999999-2f6b-4b61-8f5e-5b5c5d5e5f50"
    events = f"{API}/runs/{again}/events"
    retried = {"run": {"id": again, "events": events}}
    site.answer("POST", f"{API}/runs/{RUN}/retry", retried, status=201)
    site.answer("GET", events, stream(block(0, "<p>now it works</p>"), finished()))
    site.answer("GET", STATE, conversation())
    gone = answer("failed", notice="Concierge does not answer.")
    site.open(CHAT, chat_page(thread=[question(), gone]))

    site.page.get_by_role("button", name="Retry", exact=True).click()

    expect(site.page.locator(".answer .prose")).to_have_text(["now it works"])
    expect(site.page.get_by_text("Concierge does not answer.")).to_have_count(0)
    expect(site.page.locator(".answer")).to_have_count(1)


def test_copy_copies_the_markdown(site: Site) -> None:
    site.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    written = answer("done", text="**bold** & <b>", html="bold")
    site.open(CHAT, chat_page(thread=[question(), written]))
    site.page.evaluate(
        "navigator.__proto__.__defineGetter__('clipboard', () => ({"
        "writeText: async (text) => { document.body.dataset.copied = text; }}))"
    )

    site.page.get_by_role("button", name="Copy", exact=True).click()

    expect(site.page.locator("body")).to_have_attribute("data-copied", "**bold** & <b>")


def test_events_that_cannot_be_read_end_in_what_the_server_has(site: Site) -> None:
    site.answer("GET", EVENTS, {"error": "not_found"}, status=404)
    site.answer("GET", STATE, conversation(answer("done", text="whole", html="<p>whole</p>")))
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))

    expect(site.page.locator(".answer .prose")).to_have_text(["whole"])
    expect(site.page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def test_events_that_cannot_be_read_for_now_are_asked_for_again(site: Site) -> None:
    site.answer("GET", STATE, {"error": "internal"}, status=503)
    site.answer("GET", EVENTS, {"error": "internal"}, status=503)
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))
    expect(site.page.get_by_text("Reconnecting…")).to_be_visible()

    site.answer("GET", EVENTS, stream(block(0, "<p>there it is</p>"), finished()))

    expect(site.page.locator(".answer .prose")).to_have_text(["there it is"])
    expect(site.page.get_by_text("Reconnecting…")).to_have_count(0)


def test_a_conversation_that_is_gone_ends_the_answer_and_frees_the_composer(site: Site) -> None:
    site.answer("GET", EVENTS, {"error": "not_found"}, status=404)
    site.answer("GET", STATE, {"error": "not_found", "message": "It is not there."}, status=404)
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))

    expect(site.page.locator(".answer .state")).to_have_text("It is not there.")
    expect(site.page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def test_a_sign_in_that_ends_in_the_middle_of_an_answer_offers_to_sign_in(site: Site) -> None:
    site.answer("GET", EVENTS, {"error": "sign_in_required"}, status=401)
    site.answer("GET", STATE, {"error": "sign_in_required"}, status=401)
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))

    expect(site.page.get_by_role("link", name="Sign in", exact=True)).to_be_visible()
