"""What a run tells is what the page shows: once, in its place, and no markup but the answer's."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal

import pytest
from django.utils.safestring import mark_safe
from playwright.sync_api import expect

from portal.timeline import Consent, Part, Text, Tool
from tests.ui.site import (
    API,
    CHAT,
    CONVERSATION,
    EVENTS,
    RUN,
    Json,
    Site,
    block,
    chat_page,
    consent,
    conversation,
    event,
    finished,
    html_of,
    stream,
    tool,
)

RUNNING = {"id": RUN, "events": EVENTS}
STATE = f"{API}/conversations/{CONVERSATION}"
CARD = Consent("c1", "pending", "Concierge", "Acme Calendar", (), "2099-01-01T00:00:00+00:00")


def question(text: str = "What is on my calendar today?") -> Json:
    return {"id": "1", "role": "user", "text": text, "client_key": None}


def answer(status: str, *said: Part, **changes: Any) -> Json:
    _, ending = finished(status, changes.pop("notice", ""), **changes.pop("told", {}))
    html = "".join(html_of(index, part) for index, part in enumerate(said))
    told = {"id": "2", "role": "assistant", "text": "", "html": mark_safe(html)}  # noqa: S308
    return told | {"run": {"id": RUN, **ending}} | changes


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
    told = stream(block(0, "<p>once</p>"), tool("running"))
    both = stream(
        block(0, "<p>once</p>"), tool("running"), block(0, "<p>more</p>", part=2), finished()
    )
    site.answer("GET", EVENTS, told.replace("600000", "50"), both)
    site.answer("GET", STATE, conversation())
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))

    expect(site.page.locator(".answer .prose")).to_have_text(["once", "more"])
    expect(site.page.locator(".tool")).to_have_count(1)
    expect(site.page.locator(".answer")).to_have_count(1)


def test_a_run_read_again_does_not_go_back_to_what_was_before(site: Site) -> None:
    first = stream(consent(), consent(state="granted"), block(0, "<p>so far</p>"))
    again = event(*consent(), number=1) + event(*block(0, "<p>more</p>", part=2), number=4)
    site.answer("GET", EVENTS, first.replace("600000", "50"), "retry: 600000\n\n" + again)
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))

    expect(site.page.locator(".answer .prose")).to_have_text(["so far", "more"])
    expect(site.page.locator(".consent")).to_have_text("Connected to Acme Calendar")


def test_what_the_page_came_with_gives_way_to_the_events(site: Site) -> None:
    told = [block(0, "<p>whole</p>"), block(0, "<p>end</p>", part=2), finished()]
    site.answer("GET", EVENTS, stream(*told))
    site.answer("GET", STATE, conversation())
    early = answer("running", Text("half"), Tool("Reading", "done"))
    site.open(CHAT, chat_page(thread=[question(), early], active_run=RUNNING))

    expect(site.page.locator(".answer .prose")).to_have_text(["whole", "end"])
    expect(site.page.locator(".answer__flow > *")).to_have_text(
        ["whole", re.compile("Done"), "end"]
    )


def test_the_card_stays_below_the_words_it_followed_after_a_reload(site: Site) -> None:
    # The run is read again, and its text, which grew last, comes last.
    told = [consent(), block(0, "<p>Let me look.</p>")]
    site.answer("GET", EVENTS, stream(*told))
    early = answer("running", Text("Let me look."), CARD)
    site.open(CHAT, chat_page(thread=[question(), early], active_run=RUNNING))

    card = site.page.locator(".answer__flow > *").nth(1)
    expect(card.get_by_role("link", name="Connect", exact=True)).to_be_visible()
    expect(site.page.locator(".answer__flow > *").nth(0)).to_have_text("Let me look.")
    expect(site.page.locator(".consent")).to_have_count(1)


def test_a_finished_answer_shows_all_of_its_parts_in_order(site: Site) -> None:
    whole = answer(
        "done",
        Text("Let me look."),
        Tool("List calendar events", "done"),
        replace(CARD, state="granted"),
        Text("The dentist, at three."),
    )
    site.open(CHAT, chat_page(thread=[question(), whole]))

    expect(site.page.locator(".answer__flow > *")).to_have_text(
        [
            "Let me look.",
            re.compile("List calendar events"),
            "Connected to Acme Calendar",
            "The dentist, at three.",
        ]
    )


def test_markup_in_anything_but_the_answer_stays_text(site: Site) -> None:
    evil = "<img src=x onerror=alert(1)>"
    scopes = ({"name": evil, "words": evil},)
    site.answer(
        "GET",
        EVENTS,
        stream(
            tool("done", title=evil),
            consent(index=2, agent=evil, through=evil, provider=evil, scopes=scopes),
            consent(index=3, state="failed", provider=evil, notice=evil),
            finished("failed", evil, reference=evil),
        ),
    )
    site.answer("GET", STATE, conversation())
    site.open(CHAT, chat_page(thread=[question(evil)], active_run=RUNNING))

    expect(site.page.locator(".answer .state")).to_contain_text(evil)
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


def test_not_now_is_said_once_and_again_where_it_did_not_arrive(site: Site) -> None:
    path = f"{API}/consents/c1/decline"
    site.answer("POST", path, {"message": "Try again."}, status=503)
    follow(site, consent())
    not_now = site.page.locator(".consent").get_by_role("button", name="Not now", exact=True)

    not_now.click()
    expect(site.page.get_by_role("alert").last).to_contain_text("Try again.")
    site.answer("POST", path, {})
    not_now.dblclick()

    expect(site.page.locator(".consent[aria-busy=true]")).to_have_count(1)
    assert [(method, path_) for method, path_, _body in site.calls].count(("POST", path)) == 2


def test_a_card_of_an_agent_that_was_called_says_by_whom(site: Site) -> None:
    follow(site, consent(agent="Calendar", through="Concierge → Planner"))

    card = site.page.locator(".consent")
    expect(card).to_contain_text("Calendar asks to use Acme Calendar on your behalf")
    expect(card).to_contain_text("Calendar was called by Concierge → Planner.")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_card_of_aws_says_where_it_leads_and_that_nobody_knows_the_service(
    site: Site, theme: Literal["light", "dark"]
) -> None:
    host = "bedrock-agentcore.ap-southeast-2.amazonaws.com"
    at_aws: Json = {"host": host, "provider": "a service", "scopes": ()}
    site.page.emulate_media(color_scheme=theme)
    site.page.set_viewport_size({"width": 320, "height": 740})
    follow(site, consent(**at_aws), consent(index=2, **at_aws, state="granted"))

    card = site.page.locator(".consent").first
    expect(card).to_contain_text("Concierge asks to use a service on your behalf")
    expect(card).to_contain_text(f"The link leads to AWS, at {host}")
    expect(card).to_contain_text("does not tell this site which service that is")
    link = card.get_by_role("link", name="Connect", exact=True)
    expect(link).to_have_attribute("target", "_blank")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(site.page.get_by_text("Connected. Concierge may use the service now.")).to_be_visible()
    assert site.page.evaluate("document.documentElement.scrollWidth") == 320


def test_a_card_that_was_opened_says_where_the_person_is_waited_for(site: Site) -> None:
    follow(site, consent())
    waiting = site.page.get_by_text("Waiting for you at Acme Calendar, in the other tab.")
    expect(waiting).to_be_hidden()

    with site.page.context.expect_page():
        site.page.get_by_role("link", name="Connect", exact=True).click()

    expect(waiting).to_be_visible()
    expect(site.page.get_by_text("This request expires")).to_be_hidden()


def test_a_card_comes_into_view_from_its_top(site: Site) -> None:
    site.page.set_viewport_size({"width": 800, "height": 620})
    words = [block(n, f"<p>{'word ' * 60}</p>") for n in range(12)]
    follow(site, *words, consent())

    card = site.page.locator(".consent")
    expect(card).to_be_visible()
    top = card.evaluate("card => card.getBoundingClientRect().top")
    below = site.page.locator(".bar").evaluate("bar => bar.getBoundingClientRect().bottom")
    assert below <= top <= 250


def test_a_card_brings_with_it_what_fits_above_and_cuts_nothing(site: Site) -> None:
    site.page.set_viewport_size({"width": 1000, "height": 760})
    words = [block(n, f"<p>{'word ' * 60}</p>") for n in range(12)]
    follow(site, *words, tool("running"), consent(index=2))

    card, line = site.page.locator(".consent"), site.page.locator(".tool")
    expect(card).to_be_visible()
    below = site.page.locator(".bar").evaluate("bar => bar.getBoundingClientRect().bottom")
    assert line.evaluate("line => line.getBoundingClientRect().top") >= below
    above = site.page.locator(".composer").evaluate("it => it.getBoundingClientRect().top")
    assert card.evaluate("card => card.getBoundingClientRect().bottom") <= above


@pytest.mark.parametrize("height", [700, 740, 780, 800, 820, 860])
def test_the_line_below_a_card_is_not_cut_by_the_composer(site: Site, height: int) -> None:
    site.page.set_viewport_size({"width": 1000, "height": height})
    follow(site, block(0, f"<p>{'word ' * 60}</p>"), tool("running"), consent(index=2))

    line = site.page.locator(".answer .state")
    expect(line).to_have_text(re.compile("Waiting for your consent"))
    above = site.page.locator(".composer").evaluate("it => it.getBoundingClientRect().top")
    assert line.evaluate("line => line.getBoundingClientRect().bottom") <= above


def test_a_card_moves_nothing_for_somebody_who_reads_further_up(site: Site) -> None:
    site.page.set_viewport_size({"width": 800, "height": 620})
    words = stream(*(block(n, f"<p>{'word ' * 60}</p>") for n in range(12)))
    more = words + event(*consent(), number=90)
    site.answer("GET", EVENTS, words.replace("600000", "1500"), more)
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))
    expect(site.page.locator(".prose")).to_have_count(12)
    site.page.evaluate("scrollTo(0, 100)")

    expect(site.page.locator(".consent")).to_have_count(1)

    assert site.page.evaluate("scrollY") == 100
    expect(site.page.get_by_role("button", name="Go to the newest message")).to_be_visible()


def test_words_that_come_faster_than_the_page_scrolls_are_followed(site: Site) -> None:
    site.page.set_viewport_size({"width": 800, "height": 620})
    follow(site, *(block(n, f"<p>{'word ' * 60}</p>") for n in range(12)))
    expect(site.page.locator(".prose")).to_have_count(12)

    # The event of the page's own scroll comes when more has grown already.
    site.page.evaluate(
        """() => {
            for (const words of document.querySelectorAll(".prose")) {
                words.after(words.cloneNode(true));
            }
            dispatchEvent(new Event("scroll"));
        }"""
    )

    left = "document.documentElement.scrollHeight - innerHeight - scrollY"
    # Looked at by the page itself: what Playwright would evaluate there, the policy forbids.
    site.page.evaluate(
        f"""() => new Promise((there) => {{
            const look = () => (Math.abs({left}) < 2 ? there() : requestAnimationFrame(look));
            look();
        }})"""
    )
    expect(site.page.get_by_role("button", name="Go to the newest message")).to_be_hidden()


def test_a_card_is_gone_when_the_connection_is_made(site: Site) -> None:
    follow(site, consent(), consent(state="completing"), consent(state="granted"))

    expect(site.page.locator(".consent")).to_have_text("Connected to Acme Calendar")
    expect(site.page.get_by_role("link", name="Connect", exact=True)).to_have_count(0)


def test_a_card_says_that_it_was_denied_and_the_agent_can_be_asked_again(site: Site) -> None:
    told = [consent(), consent(state="denied"), block(0, "<p>Another time.</p>", part=2)]
    follow(site, *told, finished("done", again="ask"))

    sentence = "You did not allow Concierge to use Acme Calendar. Nothing was connected."
    expect(site.page.locator(".consent")).to_have_text(sentence)
    expect(site.page.get_by_role("button", name="Ask again", exact=True)).to_be_visible()
    expect(site.page.get_by_role("button", name="Retry", exact=True)).to_have_count(0)


def test_an_answer_that_came_to_its_end_is_not_asked_for_again(site: Site) -> None:
    follow(site, block(0, "<p>There.</p>"), finished())

    expect(site.page.get_by_role("button", name="Copy", exact=True)).to_be_visible()
    expect(site.page.get_by_role("button", name="Ask again", exact=True)).to_have_count(0)
    expect(site.page.get_by_role("button", name="Retry", exact=True)).to_have_count(0)


def test_a_failed_answer_names_its_reference_live_and_after_a_reload(site: Site) -> None:
    ending = finished("failed", "The agent failed.", reference="0f3e")
    follow(site, ending)
    state = site.page.locator(".answer .state")
    expect(state).to_contain_text("The agent failed.")
    expect(state).to_contain_text("Reference 0f3e")

    gone = answer("failed", notice="The agent failed.", told={"reference": "0f3e"})
    site.open(CHAT, chat_page(thread=[question(), gone]))

    expect(state).to_contain_text("Reference 0f3e")
    expect(site.page.get_by_role("button", name="Retry", exact=True)).to_be_visible()


def test_an_agent_that_was_switched_off_is_said_to_be_once(site: Site) -> None:
    said = "This agent has been switched off by an administrator."
    follow(site, finished("failed", closed=said, reference="0f3e", again=""))

    expect(site.page.get_by_text(said)).to_have_count(1)
    expect(site.page.get_by_text(said)).to_be_visible()
    expect(site.page.locator(".answer .state")).to_contain_text("The answer did not arrive.")
    expect(site.page.get_by_role("textbox", name="Message")).to_have_count(0)
    expect(site.page.get_by_role("button", name="Retry", exact=True)).to_have_count(0)


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
    with site.page.expect_response(f"**{path}"):
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


CLIPBOARD = (
    "navigator.__proto__.__defineGetter__('clipboard', () => ({"
    "writeText: async (text) => { document.body.dataset.copied = text; }}))"
)
CODE = "for day in week:\n    print(day < today)\n"


def test_a_block_of_code_is_copied_by_itself_as_it_was_written(site: Site) -> None:
    written = answer("done", Text(f"First:\n\n```python\n{CODE}```\n\nthen `go`."), text="x")
    site.answer("GET", EVENTS, stream(block(0, "<pre><code>streamed</code></pre>"), finished()))
    site.answer("GET", STATE, conversation(question(), written))
    site.open(CHAT, chat_page(thread=[question(), written], active_run=RUNNING))
    site.page.evaluate(CLIPBOARD)
    buttons = site.page.get_by_role("button", name="Copy code")
    expect(buttons).to_have_count(2)

    buttons.last.focus()
    site.page.keyboard.press("Enter")
    expect(site.page.locator("body")).to_have_attribute("data-copied", CODE)
    expect(site.page.get_by_text("Copied", exact=True)).to_have_count(1)

    buttons.first.hover()
    buttons.first.click()
    expect(site.page.locator("body")).to_have_attribute("data-copied", "streamed")


def test_copy_copies_the_markdown(site: Site) -> None:
    site.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    written = answer("done", Text("bold"), text="**bold** & <b>")
    site.open(CHAT, chat_page(thread=[question(), written]))
    site.page.evaluate(CLIPBOARD)

    site.page.get_by_role("button", name="Copy", exact=True).click()

    expect(site.page.locator("body")).to_have_attribute("data-copied", "**bold** & <b>")


def test_events_that_cannot_be_read_end_in_what_the_server_has(site: Site) -> None:
    site.answer("GET", EVENTS, {"error": "not_found"}, status=404)
    site.answer("GET", STATE, conversation(answer("done", Text("whole"), text="whole")))
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

    expect(site.page.locator(".answer .state")).to_contain_text("It is not there.")
    expect(site.page.get_by_role("button", name="Send", exact=True)).to_be_visible()


def is_cleared(site: Site) -> None:
    expect(site.page.get_by_role("heading", name="You are signed out")).to_be_focused()
    link = site.page.get_by_role("link", name="Sign in", exact=True)
    expect(link).to_have_attribute("href", re.compile(f"next=%2Fchat%2F{CONVERSATION}%2F"))
    text = site.page.locator("body").inner_text()
    assert not [words for words in ("calendar", "half an", "Bob", "Sign out") if words in text]
    expect(site.page.locator(".question, .answer, .conversation, textarea")).to_have_count(0)
    expect(site.page).to_have_title("You are signed out · Daiko")


def test_a_person_who_signed_out_elsewhere_leaves_nothing_on_the_screen(site: Site) -> None:
    follow(site, block(0, "<p>half an</p>"), ("signed_out", {}))

    is_cleared(site)


def test_a_sign_in_that_ends_in_the_middle_of_an_answer_leaves_nothing_either(site: Site) -> None:
    site.answer("GET", EVENTS, {"error": "sign_in_required"}, status=401)
    site.answer("GET", STATE, {"error": "sign_in_required"}, status=401)
    site.open(CHAT, chat_page(thread=[question()], active_run=RUNNING))

    is_cleared(site)


def test_a_tab_that_is_looked_at_again_after_signing_out_elsewhere_is_cleared(site: Site) -> None:
    site.answer("GET", STATE, {"error": "sign_in_required"}, status=401)
    site.open(CHAT, chat_page(thread=[question(), answer("done", Text("half an"))]))
    expect(site.page.locator(".question")).to_be_visible()

    site.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    is_cleared(site)
