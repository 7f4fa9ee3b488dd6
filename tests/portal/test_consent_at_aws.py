"""A consent that AWS holds ends at this site's page, which tells AWS who is signed in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group

from agents.aws import places
from agents.aws.calls import user_id_of
from agents.configuration import Configuration
from agents.models import Agent
from agents.services import agent_register, agent_switch
from core import aws as clients
from core.audit import Actor
from core.models import AuditEvent
from portal.models import SignIn
from portal.signins import access_token_for
from tests.fixtures.issuer import Issuer, Reply, Request, issuing
from tests.portal.conftest import MakePerson
from tests.portal.identity_provider import Provider

pytestmark = pytest.mark.django_db

URI = "urn:ietf:params:oauth:request_uri:NzBhZjE2"
PATH = f"/connections/complete/?session_id={quote(URI, safe='')}"
ACTOR = Actor("a test")


class IdentityAtAws:
    """AWS's identity service, which knows one session, and whose it is."""

    def __init__(self, server: Issuer) -> None:
        self.asked: list[dict[str, Any]] = []
        self.takes: dict[str, str] = {}
        self.server = server
        server.routes["POST /identities/CompleteResourceTokenAuth"] = self._complete

    def _complete(self, request: Request) -> Reply:
        asked = json.loads(request.body)
        self.asked.append(asked)
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
        if asked["userIdentifier"] == self.takes and asked["sessionUri"] == URI:
            return Reply({})
        refusal = {"x-amzn-ErrorType": "AccessDeniedException"}
        return Reply({"message": "Invalid or expired session"}, status=403, headers=refusal)


@pytest.fixture
def at_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityAtAws]:
    with issuing() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        clients.forget()
        yield IdentityAtAws(server)
        clients.forget()


def on_aws(provider: Provider, *, called_with: str = places.BEARER, name: str = "hosted") -> Agent:
    """Register an agent on AWS for the staff."""
    return agent_register(
        name=name,
        display_name=name.title(),
        asked=Configuration(
            url=f"arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/{name}-a1B2c3D4e5",
            called_with=called_with,
            discovery_url=provider.issuer.discovery_url,
            allowed_clients=("portal",),
        ),
        actor=ACTOR,
        groups=[Group.objects.get_or_create(name="staff")[0]],
    )


def recorded() -> list[tuple[str, str]]:
    events = AuditEvent.objects.filter(action="agent.consent_at_aws").order_by("pk")
    return [(event.outcome, event.subject_sub) for event in events]


def test_the_signed_in_person_is_told_to_aws_by_their_own_token(
    provider: Provider, person: MakePerson, at_aws: IdentityAtAws
) -> None:
    bob = person("bob")
    agent = on_aws(provider)
    token = access_token_for(SignIn.objects.get(user=bob.user)).reveal()
    at_aws.takes = {"userToken": token}

    page = bob.browser.get(PATH)

    assert page.status_code == 200
    assert "You are connected" in page.content.decode()
    assert "Hosted may now use the service" in page.content.decode()
    assert at_aws.asked == [{"userIdentifier": {"userToken": token}, "sessionUri": URI}]
    assert recorded() == [("allowed", "bob")]
    event = AuditEvent.objects.get(action="agent.consent_at_aws")
    assert event.agent == agent.agent_id
    assert token not in json.dumps(event.detail)


def test_for_signed_calls_the_person_is_told_by_the_id_that_aws_knows(
    provider: Provider, person: MakePerson, at_aws: IdentityAtAws
) -> None:
    bob = person("bob")
    on_aws(provider, called_with=places.SIGV4)
    at_aws.takes = {"userId": user_id_of(bob.user.subject)}

    assert bob.browser.get(PATH).status_code == 200

    assert at_aws.asked == [{"userIdentifier": at_aws.takes, "sessionUri": URI}]


def test_somebody_elses_consent_is_refused_by_aws_and_on_record(
    provider: Provider, person: MakePerson, at_aws: IdentityAtAws
) -> None:
    bob, alice = person("bob"), person("alice")
    on_aws(provider, called_with=places.SIGV4)
    at_aws.takes = {"userId": user_id_of(alice.user.subject)}

    page = bob.browser.get(PATH)

    assert page.status_code == 403
    assert "This link does not work" in page.content.decode()
    assert recorded() == [("allowed", "bob"), ("refused", "bob")]


@pytest.mark.parametrize("why", ["not open", "switched off", "elsewhere", "no session"])
def test_nothing_of_a_person_is_sent_where_no_agent_of_theirs_could_have_asked(
    why: str, provider: Provider, person: MakePerson, at_aws: IdentityAtAws
) -> None:
    who = person("charlie" if why == "not open" else "bob")
    if why != "elsewhere":
        agent = on_aws(provider)
        agent_switch(agent=agent, enabled=why != "switched off", actor=ACTOR)
    path = "/connections/complete/?session_id=made-up" if why == "no session" else PATH

    assert who.browser.get(path).status_code == 403

    assert at_aws.asked == []
    assert recorded() == []


def test_every_way_in_which_the_persons_agents_are_called_is_asked(
    provider: Provider, person: MakePerson, at_aws: IdentityAtAws
) -> None:
    bob = person("bob")
    on_aws(provider)
    on_aws(provider, called_with=places.SIGV4, name="signed")
    on_aws(provider, called_with=places.SIGV4, name="another")
    at_aws.takes = {"userId": user_id_of(bob.user.subject)}

    page = bob.browser.get(PATH)

    assert "The agent may now use the service" in page.content.decode()
    assert [set(each["userIdentifier"]) for each in at_aws.asked] == [{"userToken"}, {"userId"}]
    assert [outcome for outcome, _ in recorded()] == ["allowed", "refused", "allowed"]


def test_an_aws_that_is_away_is_a_page(
    provider: Provider,
    person: MakePerson,
    at_aws: IdentityAtAws,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_aws(provider)
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "http://127.0.0.1:9")
    clients.forget()

    page = person("bob").browser.get(PATH)

    assert page.status_code == 503
    assert "The service does not answer" in page.content.decode()
    assert [outcome for outcome, _ in recorded()] == ["allowed", "refused"]


def test_nobody_ends_a_consent_without_being_signed_in(
    provider: Provider, person: MakePerson, at_aws: IdentityAtAws
) -> None:
    bob = person("bob")
    on_aws(provider)
    bob.browser.cookies.clear()

    assert bob.browser.get(PATH).status_code == 302

    assert at_aws.asked == []
