"""A consent that AWS holds: its card in the chat, and the page at which it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from agents.aws import places
from agents.aws.calls import user_id_of
from agents.configuration import Configuration
from agents.models import Agent
from agents.services import agent_configure, agent_open_to, agent_switch
from core import aws as clients
from core.models import AuditEvent
from portal.models import ConsentAtAws, Run, SignIn
from portal.runs import consent
from portal.runs.consents_at_aws import consent_move, expire_due
from portal.runs.stream import key_of, sync_client
from portal.signins import access_token_for, signin_end
from portal.timeline import Consent
from tests.portal.agent import AgentServer, Reply
from tests.portal.aws_region import ACTOR, HOST, REGION, Asked, Region, hosted, running_region
from tests.portal.conftest import MakePerson, Person
from tests.portal.identity_provider import Provider
from tests.portal.site import Got, Site, ended, soon

pytestmark = pytest.mark.django_db(transaction=True)

State = ConsentAtAws.State


@pytest.fixture
def region(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Region]:
    with running_region(monkeypatch) as running:
        yield running


@dataclass
class Turn:
    """A turn under way, in which an agent at AWS asks for consent."""

    site: Site
    region: Region
    agent: Agent
    person: Person
    conversation: str
    run: dict[str, Any]

    @property
    def asked(self) -> Asked:
        """Return what the identity service holds, the agent having asked."""
        return soon(lambda: next(iter(self.region.sessions.values()), None))  # type: ignore[return-value]  # soon waits for one

    def seen(self, state: str) -> Got:
        """Return what a tab has been sent once the card is in `state`."""
        return self.site.events(
            self.run,
            self.person.browser,
            until=lambda got: any(card["state"] == state for card in got.parts("consent")),
        )

    def to_the_end(self) -> Got:
        return self.site.events(self.run, self.person.browser)

    def come_back(self, *, browser: Client | None = None) -> Any:
        """Open what AWS sends the browser back to."""
        return back(browser or self.person.browser, self.asked.session_uri)


def back(browser: Client, session_uri: str) -> Any:
    return browser.get(f"/connections/complete/?session_id={quote(session_uri, safe='')}")


Begin = Callable[..., Turn]


@pytest.fixture
def begin(site: Site, region: Region, provider: Provider, person: MakePerson) -> Begin:
    """Begin a turn of an agent that asks for consent and waits, unless told otherwise."""

    def waiting(reply: Reply) -> None:
        reply.stream(f"Authorization url: {region.ask().url}")
        next(iter(region.sessions.values())).wait()
        reply.event({"event": {"messageStop": {"stopReason": "tool_use"}}})
        reply.event("You are free at noon.")

    def make(
        behaviour: Callable[[Reply], None] = waiting, *, called_with: str = places.BEARER
    ) -> Turn:
        agent = hosted(provider, called_with=called_with)
        region.agent.behaviour = behaviour
        bob = person("bob")
        conversation = bob.begin(agent)
        run = bob.say(conversation, "When am I free?")
        return Turn(site, region, agent, bob, conversation, run)

    return make


def recorded() -> list[tuple[str, str, str]]:
    events = AuditEvent.objects.filter(action="agent.consent_at_aws").order_by("pk")
    return [(event.outcome, event.reason, event.subject_sub) for event in events]


def state() -> str:
    return ConsentAtAws.objects.get().state


@pytest.mark.parametrize("called_with", [places.BEARER, places.SIGV4])
def test_the_link_becomes_a_card_and_the_answer_goes_on_in_the_same_turn(
    called_with: str, begin: Begin
) -> None:
    turn = begin(called_with=called_with)

    card = turn.seen("pending").named("part")[-1]
    assert (card["kind"], card["agent"], card["index"]) == ("consent", "Hosted", 1)
    assert f'href="{turn.asked.url}"' in card["html"]
    assert "Hosted asks to use a service on your behalf" in card["html"]
    assert HOST in card["html"]
    assert "does not tell this site which service" in card["html"]
    page = turn.come_back()
    got = turn.to_the_end()

    assert page.status_code == 200
    assert "You are connected" in page.content.decode()
    assert f"/chat/{turn.conversation}/" in page.content.decode()
    assert [each["state"] for each in got.parts("consent")][-1] == "granted"
    assert got.blocks == ["<p>Authorization url: …</p>", "<p>You are free at noon.</p>"]
    assert got.events[-1].data == ended("done")
    assert turn.region.completions == [
        {"userIdentifier": turn.asked.who, "sessionUri": turn.asked.session_uri}
    ]
    bob = turn.person.user.subject
    if called_with == places.SIGV4:
        assert turn.asked.who == {"userId": user_id_of(bob)}
    else:
        token = access_token_for(SignIn.objects.get(user=turn.person.user)).reveal()
        assert turn.asked.who == {"userToken": token}
        assert token not in json.dumps([event.detail for event in AuditEvent.objects.all()])
    assert recorded() == [("allowed", "", "bob")]
    asked = AuditEvent.objects.get(action="agent.consent_at_aws.asked")
    assert (asked.subject_sub, asked.agent) == ("bob", turn.agent.agent_id)


def test_nothing_that_is_kept_holds_the_link(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    name = turn.asked.session_uri.rpartition(":")[2]

    page = turn.person.browser.get(f"/chat/{turn.conversation}/").content.decode()
    answer = turn.person.get(f"conversations/{turn.conversation}").content.decode()
    in_redis = str(sync_client().xrange(key_of(Run.objects.get().pk)))
    rows = str(list(ConsentAtAws.objects.values())) + str(Run.objects.get().answer.parts)

    assert 'class="consent"' in page
    for kept in (page, answer, in_redis, rows):
        assert name not in kept


def test_an_agent_that_has_said_all_can_be_asked_again_once_it_is_connected(
    begin: Begin, region: Region
) -> None:
    def asks_and_ends(reply: Reply) -> None:
        if region.completions:
            reply.stream("You are free at noon.")
        else:
            reply.stream({"type": "authorization", "url": region.ask().url})

    turn = begin(asks_and_ends)
    turn.seen("pending")
    assert Run.objects.get().is_active

    turn.come_back()

    got = turn.to_the_end()
    assert got.events[-1].data == ended("done", code="connected_since", again="ask")
    assert "Connected." in got.named("part")[-1]["html"]
    again = turn.person.post(f"runs/{turn.run['id']}/retry").json()["run"]
    assert turn.site.events(again, turn.person.browser).blocks == ["<p>You are free at noon.</p>"]


def test_an_agent_of_ours_that_prints_such_a_link_gets_no_card(
    site: Site, region: Region, agent: Agent, agent_server: AgentServer, person: MakePerson
) -> None:
    url = region.begin({}).url
    agent_server.behaviour = lambda reply: reply.stream(f"Open {url} now.", {"url": url})
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello?")

    got = site.events(run, bob.browser)

    assert got.parts("consent") == []
    assert "request_uri" in got.blocks[0]
    assert not ConsentAtAws.objects.exists()


def test_a_link_to_another_region_gets_no_card(begin: Begin) -> None:
    turn = begin(
        lambda reply: reply.stream(
            f"Open {Asked('urn:ietf:params:oauth:request_uri:' + 'N' * 48, {}).url} now.".replace(
                REGION, "eu-west-1"
            )
        )
    )

    assert turn.to_the_end().parts("consent") == []
    assert not ConsentAtAws.objects.exists()


def test_a_link_that_stood_in_somebody_elses_chat_gets_no_card(
    begin: Begin, person: MakePerson
) -> None:
    turn = begin()
    turn.seen("pending")
    url = turn.asked.url
    agent_open_to(agent=turn.agent, everyone=True, groups=(), people=(), actor=ACTOR)
    turn.region.agent.behaviour = lambda reply: reply.stream(f"Open {url} now.")
    alice = person("alice")
    run = alice.say(alice.begin(turn.agent), "Hello?")

    got = turn.site.events(run, alice.browser)

    assert got.parts("consent") == []
    assert ConsentAtAws.objects.get().owner.sub == "bob"


def test_somebody_else_who_comes_back_with_the_link_ends_it_and_aws_is_not_asked(
    begin: Begin, person: MakePerson
) -> None:
    turn = begin()
    turn.seen("pending")

    page = turn.come_back(browser=person("alice").browser)

    assert page.status_code == 403
    assert "belongs to somebody else" in page.content.decode()
    assert f"/chat/{turn.conversation}/" not in page.content.decode()
    assert turn.region.completions == []
    assert recorded() == [("refused", "consent_wrong_person", "alice")]
    turn.seen("failed")
    assert turn.come_back().status_code == 410
    assert turn.region.completions == []


def test_a_link_works_once(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    turn.come_back()

    page = turn.come_back()

    assert page.status_code == 410
    assert "This link was used before" in page.content.decode()
    assert len(turn.region.completions) == 1
    assert [event[:2] for event in recorded()] == [("allowed", ""), ("refused", "consent_used")]
    assert state() == State.GRANTED


def test_of_many_tabs_at_once_one_comes_through(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    statuses: list[int] = []
    together = threading.Barrier(6)

    def open_it() -> None:
        tab = Client()
        tab.cookies = turn.person.browser.cookies
        together.wait()
        try:
            statuses.append(turn.come_back(browser=tab).status_code)
        finally:
            connections.close_all()

    tabs = [threading.Thread(target=open_it) for _ in range(6)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()

    assert sorted(statuses) == [200, *[410] * 5]
    assert len(turn.region.completions) == 1


def test_an_expired_link_is_refused_and_the_card_says_so(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    ConsentAtAws.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    page = turn.come_back()
    expire_due(at=timezone.now())

    assert page.status_code == 410
    assert "This link has expired" in page.content.decode()
    assert turn.region.completions == []
    assert "has expired" in turn.seen("expired").named("part")[-1]["html"]
    assert turn.come_back().status_code == 410


def test_an_answer_does_not_wait_for_a_link_that_expired_while_no_worker_runs(
    begin: Begin, region: Region
) -> None:
    turn = begin(lambda reply: reply.stream(f"Open {region.ask().url} and ask again."))
    turn.seen("pending")
    ConsentAtAws.objects.update(expires_at=timezone.now())

    got = turn.to_the_end()

    assert got.events[-1].data == ended("done", again="ask")
    assert got.parts("consent")[-1]["state"] == "expired"
    assert got.blocks == ["<p>Open … and ask again.</p>"]


def test_a_link_that_there_is_no_card_for_stays_in_the_text(begin: Begin, region: Region) -> None:
    def asks_on(reply: Reply) -> None:
        reply.stream(*(f"Number {n}: {region.ask().url}\n\n" for n in range(consent.MAX_CARDS + 1)))

    turn = begin(asks_on)
    last = soon(lambda: list(region.sessions)[consent.MAX_CARDS :])[0]
    soon(lambda: last.rpartition(":")[2] in str(Run.objects.get().answer.parts))

    assert ConsentAtAws.objects.count() == consent.MAX_CARDS
    assert back(turn.person.browser, last).status_code == 403
    assert region.completions == []
    turn.person.post(f"runs/{turn.run['id']}/stop")
    turn.to_the_end()


def test_an_answer_that_ends_before_the_card_is_told_says_it_all_the_same(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = consent.tell

    def late(run_id: UUID, index: int, part: Consent, *, url: str) -> None:
        if part.state != State.GRANTED:
            told(run_id, index, part, url=url)

    monkeypatch.setattr(consent, "tell", late)
    turn = begin()
    turn.seen("pending")
    turn.come_back()
    got = turn.to_the_end()

    assert got.parts("consent")[-1]["state"] == "granted"
    assert "Connected." in got.named("part")[-1]["html"]


def test_a_link_is_good_for_as_long_as_aws_says(begin: Begin) -> None:
    begin().seen("pending")

    expire_due(at=timezone.now() + timedelta(seconds=590))
    before = state()
    expire_due(at=timezone.now() + timedelta(seconds=601))

    assert (before, state()) == (State.PENDING, State.EXPIRED)


def test_whoever_stops_the_answer_closes_the_request(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    turn.person.post(f"runs/{turn.run['id']}/stop")
    got = turn.to_the_end()

    page = turn.come_back()

    assert got.events[-1].data["status"] == "stopped"
    assert "stopped waiting for this consent" in got.named("part")[-1]["html"]
    assert page.status_code == 410
    assert "This request was closed" in page.content.decode()
    assert turn.region.completions == []
    assert state() == State.CLOSED


def test_one_that_aws_did_not_take_while_the_answer_was_stopped_is_closed(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    asked = ConsentAtAws.objects.get()
    assert consent_move(asked, was=State.PENDING, to=State.COMPLETING)
    turn.person.post(f"runs/{turn.run['id']}/stop")
    turn.to_the_end()

    assert consent_move(asked, was=State.COMPLETING, to=State.PENDING, session_uri="urn:x")

    assert state() == State.CLOSED
    assert ConsentAtAws.objects.get().token_sealed is None


def test_a_link_whose_answer_is_over_ends_nothing_however_its_row_stands(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    turn.person.post(f"runs/{turn.run['id']}/stop")
    turn.to_the_end()
    ConsentAtAws.objects.update(state=State.PENDING)

    assert turn.come_back().status_code == 410
    assert turn.region.completions == []


@pytest.mark.parametrize("why", ["not open", "switched off", "moved", "signed"])
def test_an_agent_that_is_not_as_it_was_gets_nothing(
    why: str, begin: Begin, provider: Provider
) -> None:
    turn = begin()
    turn.seen("pending")
    if why == "not open":
        agent_open_to(agent=turn.agent, everyone=False, groups=(), people=(), actor=ACTOR)
    elif why == "switched off":
        agent_switch(agent=turn.agent, enabled=False, actor=ACTOR)
    else:
        where = REGION if why == "signed" else "eu-west-1"
        asked = Configuration(
            url=f"arn:aws:bedrock-agentcore:{where}:123456789012:runtime/hosted-a1B2c3D4e5",
            called_with=places.SIGV4 if why == "signed" else places.BEARER,
            discovery_url=provider.issuer.discovery_url,
            allowed_clients=("portal",),
        )
        agent_configure(agent=turn.agent, asked=asked, actor=ACTOR)

    page = turn.come_back()

    assert page.status_code == 403
    assert turn.region.completions == []
    assert recorded()[-1][:2] == ("refused", "consent_agent_closed")
    assert state() == State.PENDING


def test_nobody_ends_a_consent_without_being_signed_in(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")

    assert turn.come_back(browser=Client()).status_code == 302

    assert turn.region.completions == []
    assert state() == State.PENDING


def test_a_session_that_was_ended_ends_no_consent(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    signin_end(SignIn.objects.get(user=turn.person.user))

    assert turn.come_back().status_code == 302

    assert turn.region.completions == []


@pytest.mark.parametrize("uri", ["made-up", "urn:ietf:params:oauth:request_uri:" + "x" * 48])
def test_a_link_that_stood_in_no_answer_is_unknown(uri: str, begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")

    page = back(turn.person.browser, uri)

    assert page.status_code == 403
    assert "This link does not work" in page.content.decode()
    assert turn.region.completions == []
    assert recorded() == []


def test_aws_may_refuse_and_the_card_says_so(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    turn.asked.who = {"userId": "another"}

    page = turn.come_back()

    assert page.status_code == 403
    assert "The service could not be connected" in page.content.decode()
    assert [event[:2] for event in recorded()] == [("allowed", ""), ("refused", "aws_refused")]
    assert "Ask again for a new link" in turn.seen("failed").named("part")[-1]["html"]


def test_while_aws_is_away_the_link_stays_good(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = begin()
    turn.seen("pending")
    there = turn.region.agent.url
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "http://127.0.0.1:9")
    clients.forget()

    page = turn.come_back()

    assert page.status_code == 503
    assert "The service does not answer" in page.content.decode()
    card = turn.seen("pending").named("part")[-1]
    assert f'href="{turn.asked.url}"' in card["html"]
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", there)
    clients.forget()
    assert turn.come_back().status_code == 200
    assert state() == State.GRANTED


def test_another_browser_of_the_same_person_may_end_it_with_the_token_that_aws_knows(
    begin: Begin, person: MakePerson
) -> None:
    turn = begin()
    turn.seen("pending")
    elsewhere = person("bob")

    assert turn.come_back(browser=elsewhere.browser).status_code == 200

    assert turn.asked.completed.is_set()


def test_aws_is_told_by_the_very_token_that_it_knows_also_when_it_was_renewed_since(
    begin: Begin, provider: Provider
) -> None:
    turn = begin()
    turn.seen("pending")
    SignIn.objects.update(access_expires_at=timezone.now())
    access_token_for(SignIn.objects.get())
    assert provider.refreshed == 1

    assert turn.come_back().status_code == 200

    assert turn.asked.completed.is_set()
    assert ConsentAtAws.objects.get().token_sealed is None


@pytest.mark.parametrize("how", ["stopped", "expired", "refused", "signed out"])
def test_the_token_is_forgotten_with_the_consent(how: str, begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    assert ConsentAtAws.objects.get().token_sealed is not None

    if how == "stopped":
        turn.person.post(f"runs/{turn.run['id']}/stop")
        turn.to_the_end()
    elif how == "expired":
        expire_due(at=timezone.now() + timedelta(seconds=601))
    elif how == "refused":
        turn.asked.who = {}
        turn.come_back()
    else:
        signin_end(SignIn.objects.get())

    assert ConsentAtAws.objects.get().token_sealed is None


def test_for_signed_calls_no_token_is_kept(begin: Begin) -> None:
    begin(called_with=places.SIGV4).seen("pending")

    assert ConsentAtAws.objects.get().token_sealed is None


def test_one_who_completes_and_is_gone_leaves_a_card_that_failed(begin: Begin) -> None:
    turn = begin()
    turn.seen("pending")
    ConsentAtAws.objects.update(state=State.COMPLETING)

    expire_due(at=timezone.now() + timedelta(seconds=60))
    before = state()
    expire_due(at=timezone.now() + timedelta(seconds=95))

    assert (before, state()) == (State.COMPLETING, State.FAILED)
    turn.seen("failed")
