"""An agent that asks in a loop makes no more consent sessions than a person could answer."""

from __future__ import annotations

import pytest

from core.models import User
from core.secret import Secret
from tests.vault.conftest import FOREIGN, Browser, World, events
from vault.errors import SessionUnknown
from vault.flows import consent
from vault.flows.sessions import MAX_WAITING
from vault.models import ConsentSession
from vault.token_read import Waiting

Status = ConsentSession.Status


def ask_often(world: World, person: User, times: int) -> list[Waiting]:
    """Ask for consent, each time for something else."""
    return [world.wait(person, custom_state=Secret(f"state-{n}")) for n in range(times)]


@pytest.mark.parametrize("forced", [False, True])
def test_the_same_request_in_a_loop_is_one_session(world: World, alice: User, forced: bool) -> None:
    answers = {world.wait(alice, forced=forced).session_uri for _ in range(MAX_WAITING + 5)}

    assert len(answers) == 1
    assert ConsentSession.objects.count() == 1
    assert len(events("vault.consent.begun")) == 1


def test_requests_that_differ_push_the_oldest_out(world: World, alice: User) -> None:
    asked = ask_often(world, alice, MAX_WAITING + 5)

    assert ConsentSession.objects.count() == MAX_WAITING
    for gone in asked[:5]:
        with pytest.raises(SessionUnknown):
            world.read(alice, session_uri=gone.session_uri)
    for waiting in asked[5:]:
        assert world.wait(alice, session_uri=waiting.session_uri) == waiting
    ended = events("vault.consent.expired")
    assert [(e.outcome, e.reason, e.subject_sub) for e in ended] == [
        ("failed", "superseded", "alice")
    ] * 5


def test_the_newest_link_leads_to_a_grant(world: World, alice: User) -> None:
    newest = ask_often(world, alice, MAX_WAITING + 1)[-1]

    world.consent(newest, Browser(alice))
    consent.complete_here(session_uri=newest.session_uri, subject=alice.subject)

    assert world.token(alice, session_uri=newest.session_uri)


def test_a_link_that_was_opened_outlives_those_that_were_not(world: World, alice: User) -> None:
    opened, browser = world.wait(alice), Browser(alice)
    at_provider = world.to_provider(opened, browser)

    ask_often(world, alice, MAX_WAITING + 5)
    back = browser.get(world.there.allow(at_provider, account="alice"))

    assert back.status_code == 302
    assert world.session(opened).status == Status.EXCHANGED


def test_links_that_an_agent_opens_itself_are_pushed_out_too(world: World, alice: User) -> None:
    for number in range(MAX_WAITING + 5):
        waiting = world.wait(alice, return_url=FOREIGN, custom_state=Secret(f"state-{number}"))
        world.to_provider(waiting, Browser())

    assert ConsentSession.objects.count() == MAX_WAITING


def test_what_was_consented_to_is_not_lost(world: World, alice: User) -> None:
    consented = world.wait(alice)
    world.consent(consented, Browser(alice))

    ask_often(world, alice, MAX_WAITING + 5)
    consent.complete_here(session_uri=consented.session_uri, subject=alice.subject)

    assert world.token(alice, session_uri=consented.session_uri)
    assert world.there.asked_at("/revoke") == []


def test_who_never_completed_a_consent_is_given_a_link_that_works(
    world: World, alice: User
) -> None:
    lost = world.wait(alice, return_url=FOREIGN)
    world.consent(lost, Browser(alice))

    anew = world.wait(alice, return_url=FOREIGN)

    assert anew.session_uri != lost.session_uri
    assert world.to_provider(anew, Browser())
    assert world.session(lost).status == Status.EXCHANGED


def test_one_persons_sessions_push_out_nobody_elses(world: World, alice: User, bob: User) -> None:
    bobs = world.wait(bob)

    ask_often(world, alice, MAX_WAITING + 5)

    assert world.wait(bob, session_uri=bobs.session_uri) == bobs
