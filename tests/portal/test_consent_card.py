"""The consent card in the chat, and the pages at which a consent ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from agents.access_keys import Caller
from agents.models import Agent
from core.audit import Actor
from core.secret import Secret
from portal.models import Run
from tests.fixtures.provider import CLIENT_ID, CLIENT_SECRET, Provider, providing
from tests.portal.agent import AgentServer, Reply
from tests.portal.conftest import MakePerson, Person
from tests.portal.site import Got, Site, soon
from vault import discovery, return_urls, sessions
from vault.flows.consent import Wanted
from vault.models import ConsentSession, CredentialProvider, Grant
from vault.providers import provider_store
from vault.revocations import grant_revoke
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

    def ask_for_consent(self) -> str:
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
                custom_state=None,
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
            until=lambda got: any(card["state"] == state for card in got.named("consent")),
        )

    def to_the_end(self) -> Got:
        """Let the agent finish, and return what a tab was sent."""
        self.server.may_go_on.set()
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


def test_the_card_stands_in_the_chat_as_soon_as_the_vault_knows(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()

    [card] = turn.seen("pending").named("consent")

    assert card == {
        "id": str(ConsentSession.objects.get().pk),
        "state": "pending",
        "agent": "Helper",
        "provider": "Acme Calendar",
        "scopes": [{"name": "calendar.read", "words": "See your calendar"}],
        "url": url,
        "expires_at": ConsentSession.objects.get().expires_at.isoformat(),
        "notice": "",
    }
    assert [again["state"] for again in turn.seen("pending").named("consent")] == ["pending"]


def test_it_is_connected_in_another_tab_and_the_answer_goes_on(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]

    page = come_back(turn.person, acme.allow(to_provider, account="bob@acme"))

    assert page.status_code == 200
    assert "Acme Calendar is connected" in page.content.decode()
    assert f"/chat/{turn.conversation}/" in page.content.decode()
    assert turn.seen("granted").named("consent")[-1]["url"] == ""
    got = turn.to_the_end()
    assert got.events[-1].data == {"status": "done", "code": "", "notice": ""}
    assert Grant.objects.get().user_sub == "bob"


def test_a_denied_consent_is_told_in_the_card_and_after_the_run(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]

    page = come_back(turn.person, acme.deny(to_provider))

    assert "Nothing was connected" in page.content.decode()
    turn.seen("denied")
    finished = turn.to_the_end().events[-1].data
    sentence = "You did not allow Helper to use Acme Calendar. Nothing was connected."
    assert finished == {"status": "done", "code": "", "notice": sentence}
    assert turn.person.answer(turn.conversation)["run"]["notice"] == sentence


def test_an_expired_consent_is_told_in_the_card_and_after_the_run(
    turn: Turn, acme: Provider
) -> None:
    turn.ask_for_consent()
    sessions.expire_due(at=timezone.now() + timedelta(minutes=11))

    turn.seen("expired")
    finished = turn.to_the_end().events[-1].data
    assert finished["notice"] == (
        "The request to use Acme Calendar has expired. Nothing was connected."
    )


def test_what_was_granted_after_a_denial_leaves_no_notice(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()
    come_back(turn.person, acme.deny(turn.person.browser.get(path_of(url))["Location"]))
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]

    come_back(turn.person, acme.allow(to_provider, account="bob@acme"))

    assert turn.to_the_end().events[-1].data["notice"] == ""


def test_the_card_is_in_nobody_elses_chat(turn: Turn, acme: Provider, person: MakePerson) -> None:
    alice = person("alice")
    turn.ask_for_consent()
    session = ConsentSession.objects.get()
    session.user_sub, session.status = "alice", ConsentSession.Status.EXPIRED
    sessions.announce(session)

    cards = turn.to_the_end().named("consent")

    assert [card["state"] for card in cards] == ["pending"]
    assert Run.objects.filter(conversation__user=alice.user).count() == 0


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
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]
    callback = acme.allow(to_provider, account="bob@acme")
    complete = turn.person.browser.get(path_of(callback))["Location"]

    page = alice.browser.get(path_of(complete))

    assert page.status_code == 403
    text = page.content.decode()
    assert "belongs to somebody else" in text
    assert "Helper" not in text
    assert not Grant.objects.exists()


def test_the_page_says_connected_however_often_it_is_opened(turn: Turn, acme: Provider) -> None:
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]
    callback = acme.allow(to_provider, account="bob@acme")
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
    to_provider = turn.person.browser.get(path_of(url))["Location"]
    callback = acme.allow(to_provider, account="bob@acme")
    complete = path_of(turn.person.browser.get(path_of(callback))["Location"])
    turn.person.browser.get(complete)

    for path in (complete, path_of(callback), path_of(url)):
        page = alice.browser.get(path, follow=True)
        assert page.status_code == 403
        assert "Acme Calendar" not in page.content.decode()


def test_the_page_no_longer_says_connected_once_it_was_taken_back(
    turn: Turn, acme: Provider
) -> None:
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]
    callback = acme.allow(to_provider, account="bob@acme")
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
    to_provider = turn.person.browser.get(path_of(url))["Location"]
    come_back(turn.person, acme.allow(to_provider, account="bob@acme"))
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
    CredentialProvider.objects.update(display_name="A <b> C", account_url=account_url)
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]
    come_back(turn.person, acme.allow(to_provider, account="bob@acme"))
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


def test_nobody_disconnects_what_is_somebody_elses(
    turn: Turn, acme: Provider, person: MakePerson
) -> None:
    alice = person("alice")
    url = turn.ask_for_consent()
    to_provider = turn.person.browser.get(path_of(url))["Location"]
    come_back(turn.person, acme.allow(to_provider, account="bob@acme"))
    page = alice.browser.get("/connections/")

    path = f"/connections/{Grant.objects.get().pk}/disconnect/"
    assert alice.browser.get(path).status_code == 404
    response = alice.browser.post(
        path,
        {"csrfmiddlewaretoken": str(page.context["csrf_token"])},
    )

    assert response.status_code == 404
    assert Grant.objects.get().state == Grant.State.LIVE
