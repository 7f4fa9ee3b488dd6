"""The consent card in the chat, and the pages at which a consent ends."""

from __future__ import annotations

import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings
from django.utils import timezone

from agents import workload
from agents.configuration import Configuration
from agents.errors import ChainBroken
from agents.gateway.invocation import invoke
from agents.gateway.messages import Inbound
from agents.keys.access_keys import access_key_create
from agents.keys.callers import Caller
from agents.models import Agent
from agents.services import agent_configure, agent_open_to, agent_register, agent_switch
from core.audit import Actor
from core.models import AuditEvent
from core.secret import Secret
from portal.models import Run
from portal.runs import consent
from portal.runs.stream import key_of, sync_client
from portal.timeline import Consent
from tests.agents.signing import signed_headers
from tests.fixtures.provider import CLIENT_ID, CLIENT_SECRET, Provider, providing
from tests.portal.agent import AgentServer, Reply, serving_agent
from tests.portal.conftest import MakePerson, Person
from tests.portal.site import Got, Site, ended, soon
from vault.asked.wanted import Wanted
from vault.ending.revocations import grant_revoke
from vault.flows import return_urls, sessions
from vault.models import ConsentSession, CredentialProvider, Grant, ObtainedToken
from vault.providers import discovery
from vault.providers.services import provider_store
from vault.token_read import Waiting, token_read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme(agent: Agent) -> Iterator[Provider]:
    discovery.forget()
    with providing() as there:
        provider = provider_store(
            provider=CredentialProvider(
                name="acme",
                display_name="Acme Calendar",
                client_id=CLIENT_ID,
                discovery_url=there.discovery_url,
                scope_words={"calendar.read": {"en": "See your calendar"}},
            ),
            client_secret=Secret(CLIENT_SECRET),
            workloads=[agent.workload_identity],
            actor=Actor("a test"),
        )
        there.redirect_uris.add(provider.callback_url)
        yield there


@dataclass
class Turn:
    """A turn under way, in which the agent can ask for consent."""

    site: Site
    server: AgentServer
    agent: Agent
    person: Person
    conversation: str
    run: dict[str, Any]

    def ask_for_consent(self, *, state: str = "") -> str:
        """Ask the vault as the agent would, and return the link that the person is to open."""
        [call] = soon(lambda: self.server.calls)
        answer = token_read(
            caller=Caller("AKIATEST", self.agent.workload_identity.name),
            unverified_token=Secret(call.headers["workloadaccesstoken"]),
            flow="USER_FEDERATION",
            provider_name="acme",
            session_uri=None,
            wanted=Wanted(
                scopes=("calendar.read",),
                return_url=return_urls.own(),
                custom_state=Secret(state) if state else None,
                custom_parameters={},
                resources=(),
                forced=False,
            ),
        )
        assert isinstance(answer, Waiting)
        return answer.authorization_url.reveal()

    def seen(self, state: str) -> Got:
        """Return what a tab has been sent once the card is in `state`."""
        return self.site.events(
            self.run,
            self.person.browser,
            until=lambda got: any(card["state"] == state for card in got.parts("consent")),
        )

    def to_the_end(self, *, after_s: float = 0.0) -> Got:
        """Let the agent finish, after a while, and return what a tab was sent."""
        threading.Timer(after_s, self.server.may_go_on.set).start()
        return self.site.events(self.run, self.person.browser)


@pytest.fixture
def turn(site: Site, agent: Agent, agent_server: AgentServer, person: MakePerson) -> Turn:
    def waiting(reply: Reply) -> None:
        reply.stream("Let me look.")
        reply.wait_to_go_on()
        reply.event("Done.")

    agent_server.behaviour = waiting
    bob = person("bob")
    conversation = bob.begin(agent)
    run = bob.say(conversation, "What is on my calendar?")
    return Turn(site, agent_server, agent, bob, conversation, run)


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def come_back(person: Person, callback: str) -> Any:
    """Open what the provider sends the browser back to, and what follows on this site."""
    response = person.browser.get(path_of(callback))
    if response.status_code == 302:
        response = person.browser.get(path_of(response["Location"]))
    return response


def allowed(turn: Turn, acme: Provider, url: str) -> str:
    """Return where the browser is sent back to, the person having followed `url` and allowed."""
    return acme.allow(turn.person.browser.get(path_of(url))["Location"], account="bob@acme")


def test_the_card_stands_in_the_chat_as_soon_as_the_vault_knows(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()

    got = turn.seen("pending")

    assert got.parts("consent") == [
        {
            "index": 1,
            "kind": "consent",
            "state": "pending",
            "agent": "Helper",
            "provider": "Acme Calendar",
        }
    ]
    card = got.named("part")[-1]["html"]
    assert f'href="{url}"' in card
    assert "Helper asks to use Acme Calendar on your behalf" in card
    assert "To answer your message “What is on my calendar?”" in card
    assert "See your calendar" in card
    assert [again["state"] for again in turn.seen("pending").parts("consent")] == ["pending"]


def test_no_part_of_an_answer_holds_the_link(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()
    turn.seen("pending")

    kept = str(Run.objects.get().answer.parts)
    page = turn.person.browser.get(f"/chat/{turn.conversation}/").content.decode()

    assert "Acme Calendar" in kept
    assert "request_uri" not in kept
    assert url not in page
    assert (
        "request_uri" not in turn.person.get(f"conversations/{turn.conversation}").content.decode()
    )


def test_the_card_keeps_its_place_after_a_reload_and_after_the_end(
    turn: Turn, acme: Provider
) -> None:
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]
    page_in_between = turn.person.browser.get(f"/chat/{turn.conversation}/").content.decode()
    come_back(turn.person, acme.allow(to_provider, account="bob@acme"))
    got = turn.to_the_end(after_s=1.1)

    assert page_in_between.index("Let me look.") < page_in_between.index('class="consent"')
    assert {(block["part"], block["html"]) for block in got.named("block")} == {
        (0, "<p>Let me look.</p>"),
        (2, "<p>Done.</p>"),
    }
    assert {card["index"] for card in got.parts("consent")} == {1}
    page = turn.person.browser.get(f"/chat/{turn.conversation}/").content.decode()
    shown = ["Let me look.", "Connected to Acme Calendar", "<p>Done.</p>"]
    places = [page.index(words) for words in shown]
    assert places == sorted(places)
    kinds = [part["kind"] for part in turn.person.answer(turn.conversation)["parts"]]
    assert kinds == ["text", "consent", "text"]


def test_it_is_connected_in_another_tab_and_the_answer_goes_on(turn: Turn, acme: Provider) -> None:
    page = come_back(turn.person, allowed(turn, acme, turn.ask_for_consent()))

    assert page.status_code == 200
    assert "Acme Calendar is connected" in page.content.decode()
    assert "its answer goes on in the chat" in page.content.decode()
    assert f"/chat/{turn.conversation}/" in page.content.decode()
    assert 'href="http' not in turn.seen("granted").named("part")[-1]["html"]
    got = turn.to_the_end()
    assert got.events[-1].data == ended("done")
    assert Grant.objects.get().user_sub == "bob"


def test_a_denied_consent_is_told_in_the_card_and_after_the_run(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]

    page = come_back(turn.person, acme.deny(to_provider))

    assert "Nothing was connected" in page.content.decode()
    turn.seen("denied")
    finished = turn.to_the_end().events[-1].data
    assert finished == ended("done", again="ask")
    page = turn.person.browser.get(f"/chat/{turn.conversation}/").content.decode()
    sentence = "You did not allow Helper to use Acme Calendar. Nothing was connected."
    assert page.count(sentence) == 1
    assert 'data-again="ask"' in page


def test_not_now_is_told_the_agent_and_in_the_card(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()
    assert "Not now" in turn.seen("pending").named("part")[-1]["html"]
    asked = ConsentSession.objects.get()

    assert turn.person.post(f"consents/{asked.pk}/decline").status_code == 200

    turn.seen("denied")
    assert turn.to_the_end().events[-1].data == ended("done", again="ask")
    asked.refresh_from_db()
    assert asked.status == ConsentSession.Status.DENIED
    assert "Nothing was connected" in turn.person.browser.get(path_of(url)).content.decode()


def test_nobody_says_not_now_for_another_person(
    turn: Turn, acme: Provider, person: MakePerson
) -> None:
    turn.ask_for_consent()
    turn.seen("pending")
    asked = ConsentSession.objects.get()

    assert person("alice").post(f"consents/{asked.pk}/decline").status_code == 403

    asked.refresh_from_db()
    assert asked.status == ConsentSession.Status.PENDING


def test_a_card_is_in_the_language_of_the_page_that_shows_it(turn: Turn, acme: Provider) -> None:
    turn.ask_for_consent()
    turn.person.browser.cookies[settings.LANGUAGE_COOKIE_NAME] = "ja"

    card = turn.seen("pending").named("part")[-1]["html"]

    assert "今はしない" in card
    assert "Not now" not in card


def test_an_expired_consent_is_told_in_the_card_and_after_the_run(
    turn: Turn, acme: Provider
) -> None:
    turn.ask_for_consent()
    sessions.expire_due(at=timezone.now() + timedelta(minutes=11))

    turn.seen("expired")
    got = turn.to_the_end()
    assert got.events[-1].data["again"] == "ask"
    assert "The request to use Acme Calendar has expired" in got.named("part")[-1]["html"]


def test_what_was_granted_after_a_denial_is_not_asked_again(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()
    come_back(turn.person, acme.deny(turn.person.browser.get(path_of(url))["Location"]))
    url = turn.ask_for_consent()

    come_back(turn.person, allowed(turn, acme, url))

    got = turn.to_the_end()
    assert got.events[-1].data["again"] == ""
    assert [(card["index"], card["state"]) for card in got.parts("consent")][-1] == (2, "granted")


def test_stop_closes_the_request_and_its_link_opens_nothing(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()
    turn.seen("pending")

    assert turn.person.post(f"runs/{turn.run['id']}/stop").status_code == 202
    got = turn.site.events(turn.run, turn.person.browser)

    assert got.parts("consent")[-1]["state"] == "withdrawn"
    assert "The request to use Acme Calendar was closed" in got.named("part")[-1]["html"]
    assert got.events[-1].data == ended("stopped", again="retry")
    page = turn.person.browser.get(path_of(url))
    assert page.status_code == 410
    assert "This request was closed" in page.content.decode()
    assert ConsentSession.objects.get().status == ConsentSession.Status.FAILED
    [event] = AuditEvent.objects.filter(reason="consent_withdrawn")
    assert (event.action, event.subject_sub) == ("vault.consent.failed", "bob")
    assert not Grant.objects.exists()


def test_consent_given_in_the_other_tab_after_stop_connects_nothing(
    turn: Turn, acme: Provider
) -> None:
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]
    turn.person.post(f"runs/{turn.run['id']}/stop")
    turn.site.events(turn.run, turn.person.browser)

    page = come_back(turn.person, acme.allow(to_provider, account="bob@acme"))

    assert page.status_code == 410
    assert not Grant.objects.exists()


def test_an_agent_that_does_not_wait_leaves_a_card_that_says_so(turn: Turn, acme: Provider) -> None:
    turn.ask_for_consent()
    turn.seen("pending")

    got = turn.to_the_end()

    assert got.parts("consent")[-1]["state"] == "closed"
    assert got.events[-1].data["again"] == "ask"


def test_a_request_that_goes_on_has_a_card_in_the_next_answer_too(
    turn: Turn, acme: Provider
) -> None:
    url = turn.ask_for_consent()
    turn.to_the_end()
    turn.server.may_go_on.clear()
    turn.server.calls.clear()
    turn.run = turn.person.post(f"runs/{turn.run['id']}/retry").json()["run"]

    assert turn.ask_for_consent() == url
    assert f'href="{url}"' in turn.seen("pending").named("part")[-1]["html"]
    turn.to_the_end()


def test_a_failed_answer_withdraws_the_request(turn: Turn, acme: Provider) -> None:
    def failing(reply: Reply) -> None:
        reply.stream("Let me look.")
        reply.wait_to_go_on()
        reply.event({"error": "broken"})

    turn.to_the_end()
    turn.server.may_go_on.clear()
    turn.server.calls.clear()
    turn.server.behaviour = failing
    turn.run = turn.person.say(turn.conversation, "Again?")
    turn.ask_for_consent()
    turn.seen("pending")

    got = turn.to_the_end()

    assert got.parts("consent")[-1]["state"] == "withdrawn"
    assert got.events[-1].data["status"] == "failed"


def test_the_card_is_in_nobody_elses_chat(turn: Turn, acme: Provider, person: MakePerson) -> None:
    alice = person("alice")
    turn.ask_for_consent()
    session = ConsentSession.objects.get()
    session.user_sub, session.status = "alice", ConsentSession.Status.EXPIRED
    sessions.announce(session)

    cards = turn.to_the_end().parts("consent")

    assert [card["state"] for card in cards] == ["pending", "closed"]
    assert Run.objects.filter(conversation__user=alice.user).count() == 0


def test_an_agent_that_asks_on_and_on_has_a_few_cards_and_the_newest_is_one(
    turn: Turn, acme: Provider
) -> None:
    few = consent.MAX_CARDS

    for n in range(3 * few):
        url = turn.ask_for_consent(state=f"state {n}")

    cards = [p for p in Run.objects.get().answer.timeline if isinstance(p, Consent)]
    assert [card.state for card in cards] == ["pending"] * few
    # The two words of its status, and the agent's one block, which may be told later.
    assert sync_client().xlen(key_of(uuid.UUID(turn.run["id"]))) in {few + 2, few + 3}
    got = turn.to_the_end()
    shown = [part for part in got.named("part") if part["state"] == "pending"]
    assert len(shown) == len({part["index"] for part in shown}) == few
    assert f'href="{url}"' in shown[-1]["html"]


def test_an_answer_that_is_full_of_cards_shows_no_other(
    turn: Turn, acme: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(consent, "MAX_CARDS", 1)
    come_back(
        turn.person, acme.deny(turn.person.browser.get(path_of(turn.ask_for_consent()))["Location"])
    )

    assert turn.ask_for_consent(state="again")

    cards = turn.to_the_end().parts("consent")
    assert {(card["index"], card["state"]) for card in cards} == {(1, "denied")}
    assert "consent.no_room" in caplog.messages


def test_no_other_agent_gets_a_card_into_the_chat(turn: Turn, acme: Provider) -> None:
    evil = agent_register(
        name="evil",
        display_name="Helper",
        description="Knows the runtime session.",
        asked=Configuration(
            url=turn.server.url, discovery_url=acme.discovery_url, allowed_clients=("portal",)
        ),
        actor=Actor("a test"),
    )
    turn.ask_for_consent()
    session = ConsentSession.objects.get()
    session.pk, session.workload_identity = uuid.uuid4(), evil.workload_identity
    session.request_uri_sealed = session.sealed("request_uri_sealed", Secret("urn:evil"))
    sessions.announce(session)

    cards = turn.to_the_end().parts("consent")

    assert [card["state"] for card in cards] == ["pending", "closed"]


@dataclass
class Helpers:
    """An agent that the chat's agent calls, and what it asks the vault with."""

    turn: Turn
    calendar: Agent

    def token(self, **about: Any) -> Secret:
        """Return what the called agent gets, as the gateway makes it of its caller's token."""
        [call] = soon(lambda: self.turn.server.calls)
        by = workload.read(call.headers["workloadaccesstoken"])
        identity = self.calendar.workload_identity
        said = {"subject": by.subject, "session_id": by.session_id, "chain": by.actors, **about}
        return workload.issue(workload_id=identity.pk, workload_name=identity.name, **said)

    def ask_for_consent(self, token: Secret) -> str:
        """Ask the vault as the called agent would, and return the link."""
        answer = token_read(
            caller=Caller("AKIATEST", self.calendar.workload_identity.name),
            unverified_token=token,
            flow="USER_FEDERATION",
            provider_name="acme",
            session_uri=None,
            wanted=Wanted(
                scopes=("calendar.read",),
                return_url=return_urls.own(),
                custom_state=None,
                custom_parameters={},
                resources=(),
                forced=False,
            ),
        )
        assert isinstance(answer, Waiting)
        return answer.authorization_url.reveal()


@pytest.fixture
def helpers(turn: Turn, acme: Provider) -> Helpers:
    calendar = agent_register(
        name="calendar",
        display_name="Calendar",
        description="Is called by other agents.",
        asked=Configuration(
            url=turn.server.url, discovery_url=acme.discovery_url, allowed_clients=("portal",)
        ),
        actor=Actor("a test"),
    )
    CredentialProvider.objects.get().workloads.add(calendar.workload_identity)
    return Helpers(turn, calendar)


def test_an_agent_that_the_chats_agent_calls_asks_in_the_same_chat_and_is_named(
    helpers: Helpers, turn: Turn, acme: Provider
) -> None:
    url = helpers.ask_for_consent(helpers.token())

    shown = turn.seen("pending").named("part")[-1]
    assert (shown["agent"], shown["index"]) == ("Calendar", 1)
    assert "Calendar asks to use Acme Calendar on your behalf" in shown["html"]
    assert "Calendar was called by Helper." in shown["html"]
    assert f'href="{url}"' in shown["html"]
    page = come_back(turn.person, allowed(turn, acme, url))
    assert f"/chat/{turn.conversation}/" in page.content.decode()
    assert turn.to_the_end().parts("consent")[-1]["state"] == "granted"
    kept = Run.objects.get().answer.timeline[1]
    assert isinstance(kept, Consent)
    assert (kept.agent, kept.through, kept.state) == ("Calendar", "Helper", "granted")
    grant = Grant.objects.get()
    assert grant.workload_identity == helpers.calendar.workload_identity
    assert grant.user_sub == "bob"


def test_a_call_from_the_chats_agent_through_the_gateway_leads_to_a_card_in_the_chat(
    helpers: Helpers, turn: Turn
) -> None:
    [call] = soon(lambda: turn.server.calls)
    key, secret = access_key_create(
        label="helper", workload_identity=turn.agent.workload_identity, actor=Actor("a test")
    )
    path = f"/runtimes/{quote(helpers.calendar.arn, safe='')}/invocations"
    body = b'{"prompt": "What is on?"}'
    headers = signed_headers(
        f"http://localhost{path}",
        key_id=key.access_key_id,
        secret=secret,
        body=body,
        headers={"X-Amz-Bedrock-AgentCore-Identity-WAT": call.headers["workloadaccesstoken"]},
    )

    async def called() -> int:
        async def chunks() -> AsyncIterator[bytes]:
            yield body

        sent = {name.lower(): value for name, value in headers.items()} | {"host": "localhost"}
        inbound = Inbound("POST", path, "", tuple(sent.items()), chunks())
        async with AsyncExitStack() as held:
            answer = await invoke(inbound, held=held)
            async with aclosing(answer.body):
                async for _ in answer.body:
                    pass
            return answer.status

    with serving_agent() as server:
        asked = Configuration(
            url=server.url,
            auth_mode="SIGV4",
            allowed_workloads=(turn.agent.workload_identity.name,),
        )
        agent_configure(
            agent=helpers.calendar, asked=asked, actor=Actor("a test"), may_drop_authorizer=True
        )
        agent_open_to(
            agent=helpers.calendar, everyone=True, groups=[], people=[], actor=Actor("a test")
        )
        assert turn.site.run(called()) == 200
        [passed] = server.calls

    helpers.ask_for_consent(Secret(passed.headers["workloadaccesstoken"]))

    assert "Calendar was called by Helper." in turn.seen("pending").named("part")[-1]["html"]
    began = AuditEvent.objects.get(action="agent.invocation", agent=turn.agent.agent_id)
    course = AuditEvent.objects.filter(detail__invocation=began.reference).order_by("pk")
    assert {(event.action, *event.detail["chain"]) for event in course} == {
        (action, turn.agent.workload_identity.name)
        for action in ("agent.invocation", "agent.invocation.ended", "vault.consent.begun")
    }
    turn.to_the_end()


def test_the_first_of_a_chain_decides_in_which_chat_it_asks(helpers: Helpers, turn: Turn) -> None:
    by = workload.read(soon(lambda: turn.server.calls)[0].headers["workloadaccesstoken"])
    between = workload.Link(
        helpers.calendar.workload_identity.pk, helpers.calendar.workload_identity.name
    )

    helpers.ask_for_consent(helpers.token(chain=(between, *by.actors)))

    shown = turn.seen("pending").named("part")[-1]
    assert "Calendar was called by Helper → Calendar." in shown["html"]


@pytest.mark.parametrize("called_through", ["itself", "another"])
def test_an_agent_that_was_not_called_from_the_chat_gets_no_card_into_it(
    helpers: Helpers, turn: Turn, called_through: str
) -> None:
    identity = helpers.calendar.workload_identity
    chain = (workload.Link(identity.pk, identity.name),) if called_through == "another" else ()

    helpers.ask_for_consent(helpers.token(chain=chain))

    session = ConsentSession.objects.get()
    sessions.fail(session, ConsentSession.Status.FAILED, reason="tried")
    assert turn.to_the_end().parts("consent") == []


def test_a_chain_of_one_person_puts_no_card_into_the_chat_of_another(
    helpers: Helpers, turn: Turn, person: MakePerson
) -> None:
    alice = person("alice")

    helpers.ask_for_consent(helpers.token(subject=alice.user.subject))

    assert turn.to_the_end().parts("consent") == []


def test_an_agent_whose_caller_was_switched_off_asks_for_nothing(
    helpers: Helpers, turn: Turn
) -> None:
    token = helpers.token()
    agent_switch(agent=turn.agent, enabled=False, actor=Actor("a test"))

    with pytest.raises(ChainBroken):
        helpers.ask_for_consent(token)

    assert not ConsentSession.objects.exists()
    event = AuditEvent.objects.get(reason="chain_broken")
    assert (event.action, event.outcome) == ("vault.token.refused", "refused")
    assert event.detail["chain"] == [turn.agent.workload_identity.name]


def test_somebody_else_who_opens_the_link_connects_nothing(
    turn: Turn, acme: Provider, person: MakePerson
) -> None:
    alice = person("alice")
    url = turn.ask_for_consent()

    page = alice.browser.get(path_of(url))

    assert page.status_code == 403
    assert "belongs to somebody else" in page.content.decode()
    assert "Acme Calendar is connected" not in page.content.decode()
    assert not Grant.objects.exists()


def test_somebody_else_cannot_end_the_consent_of_a_person(
    turn: Turn, acme: Provider, person: MakePerson
) -> None:
    alice = person("alice")
    callback = allowed(turn, acme, turn.ask_for_consent())
    complete = turn.person.browser.get(path_of(callback))["Location"]

    page = alice.browser.get(path_of(complete))

    assert page.status_code == 403
    text = page.content.decode()
    assert "belongs to somebody else" in text
    assert "Helper" not in text
    assert not Grant.objects.exists()


def test_the_page_says_connected_however_often_it_is_opened(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()
    callback = allowed(turn, acme, url)
    complete = path_of(turn.person.browser.get(path_of(callback))["Location"])
    assert turn.person.browser.get(complete).status_code == 200

    for path in (complete, path_of(callback), path_of(url)):
        again = turn.person.browser.get(path, follow=True)
        text = again.content.decode()
        assert again.status_code == 200
        assert "Acme Calendar is connected" in text
        assert f"/chat/{turn.conversation}/" in text
    assert len(acme.asked_at("/token")) == 1
    assert Grant.objects.get().generation == 1


def test_the_page_says_connected_to_nobody_else(
    turn: Turn, acme: Provider, person: MakePerson
) -> None:
    alice = person("alice")
    url = turn.ask_for_consent()
    callback = allowed(turn, acme, url)
    complete = path_of(turn.person.browser.get(path_of(callback))["Location"])
    turn.person.browser.get(complete)

    for path in (complete, path_of(callback), path_of(url)):
        page = alice.browser.get(path, follow=True)
        assert page.status_code == 403
        assert "Acme Calendar" not in page.content.decode()


def test_the_page_no_longer_says_connected_once_it_was_taken_back(
    turn: Turn, acme: Provider
) -> None:
    callback = allowed(turn, acme, turn.ask_for_consent())
    complete = path_of(turn.person.browser.get(path_of(callback))["Location"])
    turn.person.browser.get(complete)
    grant_revoke(grant=Grant.objects.get(), actor=Actor.person(turn.person.user))

    again = turn.person.browser.get(complete)

    assert again.status_code == 410
    assert "used before" in again.content.decode()


@pytest.mark.parametrize("query", ["", "?session_id=made-up"])
def test_a_completion_of_nothing_is_a_page(query: str, person: MakePerson) -> None:
    page = person("bob").browser.get(f"/connections/complete/{query}")

    assert page.status_code == 403
    assert "This link does not work" in page.content.decode()
    assert page["X-Request-Id"] in page.content.decode()


def test_disconnecting_says_what_became_of_it_and_the_next_question_asks_again(
    turn: Turn, acme: Provider
) -> None:
    url = turn.ask_for_consent()
    come_back(turn.person, allowed(turn, acme, url))
    page = turn.person.browser.get("/connections/")
    assert "See your calendar" in page.content.decode()
    grant = Grant.objects.get()

    response = turn.person.browser.post(
        f"/connections/{grant.pk}/disconnect/",
        {"csrfmiddlewaretoken": str(page.context["csrf_token"])},
        follow=True,
    )

    text = response.content.decode()
    assert "Disconnected. The access was ended at Acme Calendar too." in text
    assert "Nothing is connected" in text
    assert turn.ask_for_consent() != url


@pytest.mark.parametrize("account_url", ["", "https://acme.example/apps?a=1&b=2"])
def test_a_provider_that_cannot_be_told_is_said_to_be_one_before_and_after(
    account_url: str, turn: Turn, acme: Provider
) -> None:
    del acme.metadata["revocation_endpoint"]
    discovery.forget()
    CredentialProvider.objects.update(display_name="A <b> C", account_url=account_url)
    come_back(turn.person, allowed(turn, acme, turn.ask_for_consent()))
    grant = Grant.objects.get()

    page = turn.person.browser.get(f"/connections/{grant.pk}/disconnect/")
    assert "A &lt;b&gt; C offers no way to be told" in page.content.decode()
    assert Grant.objects.get().state == Grant.State.LIVE

    response = turn.person.browser.post(
        f"/connections/{grant.pk}/disconnect/",
        {"csrfmiddlewaretoken": str(page.context["csrf_token"])},
        follow=True,
    )
    text = response.content.decode()
    assert "Disconnected. A &lt;b&gt; C offers no way to be told" in text
    assert ('<a href="https://acme.example/apps?a=1&amp;b=2"' in text) is bool(account_url)


def test_what_was_lost_with_its_key_can_be_disconnected_and_that_is_said(
    turn: Turn, acme: Provider
) -> None:
    come_back(turn.person, allowed(turn, acme, turn.ask_for_consent()))
    Grant.objects.update(access_sealed=b"broken")
    page = turn.person.browser.get("/connections/")

    response = turn.person.browser.post(
        f"/connections/{Grant.objects.get().pk}/disconnect/",
        {"csrfmiddlewaretoken": str(page.context["csrf_token"])},
        follow=True,
    )

    text = response.content.decode()
    assert (
        "Disconnected. Acme Calendar was not told, since the key to what was kept is lost" in text
    )
    assert Grant.objects.get().state == Grant.State.REVOKED


def test_nobody_disconnects_what_is_somebody_elses(
    turn: Turn, acme: Provider, person: MakePerson
) -> None:
    alice = person("alice")
    come_back(turn.person, allowed(turn, acme, turn.ask_for_consent()))
    page = alice.browser.get("/connections/")

    path = f"/connections/{Grant.objects.get().pk}/disconnect/"
    assert alice.browser.get(path).status_code == 404
    response = alice.browser.post(
        path,
        {"csrfmiddlewaretoken": str(page.context["csrf_token"])},
    )

    assert response.status_code == 404
    assert Grant.objects.get().state == Grant.State.LIVE


def test_what_an_agent_got_in_exchange_is_shown_as_such_and_can_be_ended(
    turn: Turn, acme: Provider
) -> None:
    subject = turn.person.user.subject
    row = ObtainedToken(
        workload_identity=turn.agent.workload_identity,
        provider=CredentialProvider.objects.get(),
        user_iss=subject.iss,
        user_sub=subject.sub,
        asked_hash="0" * 64,
        scopes=["calendar.read"],
        obtained_at=timezone.now(),
        expires_at=timezone.now() + timedelta(hours=1),
    )
    row.access_sealed = row.sealed(Secret("at-exchanged"))
    row.save()
    path = f"/connections/{row.pk}/disconnect/"

    page = turn.person.browser.get("/connections/")
    asked = turn.person.browser.get(path)
    response = turn.person.browser.post(
        path, {"csrfmiddlewaretoken": str(page.context["csrf_token"])}, follow=True
    )

    for shown in (page, asked):
        assert "got this in exchange for your sign-in" in shown.content.decode()
    assert "it asks you again" not in asked.content.decode()
    assert "Nothing is connected" in response.content.decode()
    assert [form["token"] for form in acme.asked_at("/revoke")] == ["at-exchanged"]
    assert not ObtainedToken.objects.exists()


def test_a_connection_that_is_over_is_told_of_in_the_chat_and_reconnected_with_one_click(
    turn: Turn, acme: Provider
) -> None:
    browser = turn.person.browser
    come_back(turn.person, allowed(turn, acme, turn.ask_for_consent()))
    chat = f"/chat/{turn.conversation}/"
    told = "Acme Calendar needs reconnecting"
    assert told not in browser.get(chat).content.decode()

    grant = Grant.objects.get()
    Grant.objects.update(state="lapsed", next_refresh_at=None)
    page = browser.get(chat)
    assert told in page.content.decode()

    token = {"csrfmiddlewaretoken": str(page.context["csrf_token"])}
    path = f"/connections/{grant.pk}/reconnect/"
    assert browser.get(path).status_code == 405
    onward = browser.post(path, token)
    assert onward.status_code == 200
    said = come_back(turn.person, allowed(turn, acme, onward.context["url"])).content.decode()

    assert "Helper may now use it on your behalf." in said
    assert "goes on in the chat" not in said
    assert Grant.objects.get(pk=grant.pk).state == Grant.State.LIVE
    assert told not in browser.get(chat).content.decode()


@pytest.mark.parametrize("elsewhere", ["", "https://evil.example/", "//evil.example/"])
def test_trouble_that_was_dismissed_stays_on_its_card_alone(
    elsewhere: str, turn: Turn, acme: Provider
) -> None:
    come_back(turn.person, allowed(turn, acme, turn.ask_for_consent()))
    Grant.objects.update(state="lapsed", next_refresh_at=None)
    page = turn.person.browser.get("/connections/")
    assert page.context["attention"]

    after = turn.person.browser.post(
        f"/connections/{Grant.objects.get().pk}/dismiss/",
        {"csrfmiddlewaretoken": str(page.context["csrf_token"]), "next": elsewhere},
        follow=True,
    )

    assert after.request["PATH_INFO"] == "/connections/"
    assert after.context["attention"] == []
    assert "has ended this access. Reconnect it" in after.content.decode()


def test_what_is_dismissed_in_a_chat_leads_back_to_it(turn: Turn, acme: Provider) -> None:
    come_back(turn.person, allowed(turn, acme, turn.ask_for_consent()))
    Grant.objects.update(state="lapsed", next_refresh_at=None)
    chat = f"/chat/{turn.conversation}/"
    page = turn.person.browser.get(chat)
    assert f'name="next" value="{chat}"' in page.content.decode()

    after = turn.person.browser.post(
        f"/connections/{Grant.objects.get().pk}/dismiss/",
        {"csrfmiddlewaretoken": str(page.context["csrf_token"]), "next": chat},
    )
    assert after["Location"] == chat


@pytest.mark.parametrize("verb", ["reconnect", "dismiss"])
def test_nobody_sees_to_what_is_somebody_elses(
    verb: str, turn: Turn, acme: Provider, person: MakePerson
) -> None:
    come_back(turn.person, allowed(turn, acme, turn.ask_for_consent()))
    Grant.objects.update(state="lapsed", next_refresh_at=None)
    before = ConsentSession.objects.count()
    alice = person("alice").browser
    token = {"csrfmiddlewaretoken": str(alice.get("/connections/").context["csrf_token"])}

    assert alice.post(f"/connections/{Grant.objects.get().pk}/{verb}/", token).status_code == 404
    assert ConsentSession.objects.count() == before
    assert Grant.objects.get().dismissed_generation is None


def test_what_was_exchanged_is_not_reconnected(turn: Turn, acme: Provider) -> None:
    now = timezone.now()
    subject = turn.person.user.subject
    row = ObtainedToken(
        workload_identity=turn.agent.workload_identity,
        provider=CredentialProvider.objects.get(),
        user_iss=subject.iss,
        user_sub=subject.sub,
        obtained_at=now,
        expires_at=now + timedelta(hours=1),
    )
    row.access_sealed = row.sealed(Secret("at-exchanged"))
    row.save()
    page = turn.person.browser.get("/connections/")
    token = {"csrfmiddlewaretoken": str(page.context["csrf_token"])}

    response = turn.person.browser.post(f"/connections/{row.pk}/reconnect/", token)
    assert response.status_code == 404
