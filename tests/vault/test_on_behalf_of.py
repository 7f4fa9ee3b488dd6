"""A person's access in exchange for the token that they called the agent with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from agents import workload
from agents.errors import AgentDisabled, PersonDisabled, WorkloadDisabled
from agents.models import Agent, WorkloadIdentity
from core.audit import Actor
from core.models import AuditEvent, User
from core.oauth import Misconfigured
from core.secret import Secret
from core.subject import Subject
from tests.fixtures.issuer import Issuer, issuing
from tests.fixtures.provider import CLIENT_ID, JWT_BEARER, TOKEN_EXCHANGE, TOKEN_TYPES, Fault
from tests.vault.conftest import World, events
from vault.ending.exchanges import exchanges_forget
from vault.errors import (
    FlowNotSupported,
    GrantUnknown,
    ProviderDisabled,
    SubjectTokenMissing,
    SubjectTokenRefused,
)
from vault.flows import on_behalf_of
from vault.flows.on_behalf_of import ON_BEHALF_OF
from vault.holdings.selectors import connection_of, connections_of, grant_of
from vault.models import ConsentSession, CredentialProvider, Grant, ObtainedToken

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Exchange:
    """People who call the concierge with a token of their own, and acme, which exchanges those."""

    world: World
    issuer: Issuer

    def subject(self, name: str) -> Subject:
        return Subject(self.issuer.url, name)

    def jwt(self, name: str = "alice", **claims: Any) -> str:
        return self.issuer.token(sub=name, **claims)

    def get(self, name: str = "alice", *, jwt: str | None = None, **changed: Any) -> str:
        """Ask for what `name` may do at acme, having called with `jwt`."""
        token = self.wat(name, jwt if jwt is not None else self.jwt(name))
        subject = self.subject(name)
        return self.world.token(subject, flow=ON_BEHALF_OF, unverified_token=token, **changed)

    def wat(self, name: str, jwt: str | None) -> Secret:
        return workload.issue(
            workload_id=self.world.identity.pk,
            workload_name=self.world.identity.name,
            subject=self.subject(name),
            user_token=None if jwt is None else Secret(jwt),
        )

    def sent(self) -> dict[str, list[str]]:
        return self.world.there.sent[-1]

    def set_up(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self.world.provider, name, value)
        self.world.provider.save()


@pytest.fixture
def exchange(world: World, settings: Any) -> Iterator[Exchange]:
    with issuing() as issuer:
        settings.DAIKO_TRUSTED_ISSUERS = [issuer.url]
        world.there.trusted_keys = issuer.keys
        made = Exchange(world, issuer)
        made.set_up(obo_grant_type="TOKEN_EXCHANGE")
        yield made


def test_the_token_that_a_person_called_with_is_exchanged(exchange: Exchange) -> None:
    jwt = exchange.jwt()

    token = exchange.get(jwt=jwt)

    assert exchange.world.there.knows(token) == "alice"
    assert exchange.sent() == {
        "grant_type": [TOKEN_EXCHANGE],
        "subject_token": [jwt],
        "subject_token_type": [TOKEN_TYPES[1]],
        "scope": ["calendar.read"],
    }
    assert not ConsentSession.objects.exists()
    assert not Grant.objects.exists()


def test_a_token_of_the_very_server_is_called_an_access_token(exchange: Exchange) -> None:
    exchange.world.there.metadata["issuer"] = exchange.issuer.url
    exchange.set_up(
        discovery_url="",
        issuer=exchange.issuer.url,
        authorization_endpoint=exchange.world.there.url + "/authorize",
        token_endpoint=exchange.world.there.url + "/token",
    )

    exchange.get()

    assert exchange.sent()["subject_token_type"] == [TOKEN_TYPES[0]]


def test_the_actor_is_the_workload_identity_by_its_own_token(exchange: Exchange) -> None:
    exchange.set_up(obo_actor="M2M", obo_actor_scopes=["act"])

    tokens = [exchange.get("alice"), exchange.get("bob")]

    there = exchange.world.there
    assert [there.knows(token) for token in tokens] == [
        f"alice by {CLIENT_ID}",
        f"bob by {CLIENT_ID}",
    ]
    kinds = [sent["grant_type"][0] for sent in there.sent]
    assert kinds == ["client_credentials", TOKEN_EXCHANGE, TOKEN_EXCHANGE]
    assert there.sent[0]["scope"] == ["act"]


def test_the_jwt_grant_presents_it_as_an_assertion(exchange: Exchange) -> None:
    exchange.set_up(obo_grant_type="JWT_AUTHORIZATION_GRANT")
    jwt = exchange.jwt()

    token = exchange.get(jwt=jwt)

    assert exchange.world.there.knows(token) == "alice"
    assert exchange.sent() == {
        "grant_type": [JWT_BEARER],
        "assertion": [jwt],
        "scope": ["calendar.read"],
    }


def test_entra_is_told_what_the_assertion_is_for(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.set_up(obo_grant_type="JWT_AUTHORIZATION_GRANT")
    monkeypatch.setattr(on_behalf_of, "_ENTRA_HOSTS", ("127.0.0.1",))

    exchange.get()

    assert exchange.sent()["requested_token_use"] == ["on_behalf_of"]


def test_resources_audiences_and_custom_parameters_are_sent_and_override_nothing(
    exchange: Exchange,
) -> None:
    jwt = exchange.jwt()

    exchange.get(
        jwt=jwt,
        resources=("https://a.example/", "https://b.example/"),
        audiences=("one", "two"),
        custom_parameters={"tenant": Secret("acme"), "subject_token": Secret("another")},
    )

    sent = exchange.sent()
    assert (sent["resource"], sent["audience"]) == (
        ["https://a.example/", "https://b.example/"],
        ["one", "two"],
    )
    assert (sent["tenant"], sent["subject_token"]) == (["acme"], [jwt])


def test_without_a_client_the_site_proves_nothing_of_itself(exchange: Exchange) -> None:
    exchange.set_up(obo_client_auth="NO_CLIENT")

    with pytest.raises(Misconfigured, match="invalid_client"):
        exchange.get()

    assert exchange.sent()["client_id"] == [CLIENT_ID]


def test_what_was_exchanged_is_kept_for_the_very_token_and_person(exchange: Exchange) -> None:
    mine, narrower, bobs = exchange.jwt(), exchange.jwt(scope="openid"), exchange.jwt("bob")

    got = [
        exchange.get(jwt=mine),
        exchange.get(jwt=mine),
        exchange.get(jwt=narrower),
        exchange.get("bob", jwt=bobs),
        exchange.get("bob", jwt=bobs),
    ]

    assert (got[0], got[3]) == (got[1], got[4])
    assert len({got[0], got[2], got[3]}) == 3
    assert exchange.world.there.obtained == 3
    assert {row.subject for row in ObtainedToken.objects.all()} == {
        exchange.subject("alice"),
        exchange.subject("bob"),
    }


def test_a_new_one_can_be_forced(exchange: Exchange) -> None:
    jwt = exchange.jwt()

    assert exchange.get(jwt=jwt) != exchange.get(jwt=jwt, forced=True)


def test_a_workload_token_that_carries_nothing_is_refused(exchange: Exchange) -> None:
    with pytest.raises(SubjectTokenMissing):
        exchange.world.read(
            exchange.subject("alice"),
            flow=ON_BEHALF_OF,
            unverified_token=exchange.wat("alice", None),
        )

    assert not exchange.world.there.sent
    [refused] = events("vault.token.refused")
    assert (refused.reason, refused.subject_sub) == ("subject_token_missing", "alice")


def test_a_workload_identity_alone_has_nobody_to_act_for(exchange: Exchange) -> None:
    with pytest.raises(FlowNotSupported):
        exchange.world.read(None, flow=ON_BEHALF_OF)


def test_a_provider_that_is_not_set_up_for_it_is_named(exchange: Exchange) -> None:
    exchange.set_up(obo_grant_type="")

    with pytest.raises(FlowNotSupported) as refused:
        exchange.get()

    assert "'acme' is not set up" in str(refused.value.message)
    assert not exchange.world.there.sent


def test_a_token_that_has_expired_is_exchanged_no_more_but_what_it_brought_stays(
    exchange: Exchange,
) -> None:
    exchange.world.there.access_s = 3600
    jwt = exchange.jwt()
    kept = exchange.get(jwt=jwt)
    workload_token = exchange.wat("alice", jwt)
    asked = len(exchange.world.there.sent)

    with time_machine.travel(timezone.now().timestamp() + 400):
        read = {"flow": ON_BEHALF_OF, "unverified_token": workload_token}
        assert exchange.world.token(exchange.subject("alice"), **read) == kept
        with pytest.raises(SubjectTokenRefused) as refused:
            exchange.world.read(exchange.subject("alice"), forced=True, **read)

    assert "(expired)" in str(refused.value.message)
    assert len(exchange.world.there.sent) == asked


def test_an_issuer_that_is_trusted_no_more_has_nothing_exchanged(
    exchange: Exchange, settings: Any
) -> None:
    settings.DAIKO_TRUSTED_ISSUERS = []

    with pytest.raises(SubjectTokenRefused) as refused:
        exchange.get()

    assert "issuer_not_trusted" in str(refused.value.message)
    assert not exchange.world.there.sent


def test_what_the_provider_says_of_the_token_reaches_the_agent_and_the_token_does_not(
    exchange: Exchange,
) -> None:
    exchange.world.there.trusted_keys = []
    jwt = exchange.jwt()

    with pytest.raises(SubjectTokenRefused) as refused:
        exchange.get(jwt=jwt)

    assert "invalid_grant" in str(refused.value.message)
    assert (refused.value.status, refused.value.aws) == (403, "AccessDeniedException")
    kept = str(list(AuditEvent.objects.values())) + str(list(ObtainedToken.objects.values()))
    assert jwt not in kept + str(refused.value.message) + str(refused.value)


def test_a_provider_that_is_away_is_told_apart(exchange: Exchange) -> None:
    exchange.world.there.faults.append(Fault.WRONG_CLIENT)

    with pytest.raises(Misconfigured):
        exchange.get()


def _person_off() -> None:
    User.objects.update(is_active=False)


def _agent_off() -> None:
    Agent.objects.update(enabled=False)


def _workload_off() -> None:
    WorkloadIdentity.objects.update(enabled=False)


def _provider_off() -> None:
    CredentialProvider.objects.update(enabled=False)


@pytest.mark.parametrize(
    ("switch_off", "refusal"),
    [
        (_person_off, PersonDisabled),
        (_agent_off, AgentDisabled),
        (_workload_off, WorkloadDisabled),
        (_provider_off, ProviderDisabled),
    ],
)
def test_what_is_switched_off_gets_nothing_more_of_what_is_kept(
    exchange: Exchange, switch_off: Callable[[], None], refusal: type[Exception]
) -> None:
    User.objects.create(username="alice", iss=exchange.issuer.url, sub="alice", name="Alice")
    jwt = exchange.jwt()
    exchange.get(jwt=jwt)
    switch_off()

    with pytest.raises(refusal):
        exchange.get(jwt=jwt)

    assert len(events("vault.token.released")) == 1


def test_the_record_says_what_was_exchanged_and_for_whom(exchange: Exchange) -> None:
    exchange.get()

    for action in ("vault.token.obtained", "vault.token.released"):
        [event] = events(action)
        assert (event.subject_sub, event.provider) == ("alice", "acme")
        assert event.detail["flow"] == ON_BEHALF_OF


def test_a_person_sees_what_was_exchanged_and_can_end_it(exchange: Exchange) -> None:
    alice, bob = exchange.subject("alice"), exchange.subject("bob")
    tokens = [exchange.get(), exchange.get(jwt=exchange.jwt(scope="openid"))]
    kept = exchange.get("bob")

    (shown,) = connections_of(alice)
    assert (shown.provider, shown.agent, shown.state) == (
        "Acme Calendar",
        "Concierge",
        "connected",
    )
    assert "in exchange for your sign-in" in str(shown.notice)
    assert (shown.asks_again, shown.scopes[0].words) == (False, "See your calendar")
    assert connection_of(alice, shown.id) == shown
    with pytest.raises(GrantUnknown):
        grant_of(bob, shown.id)

    row = grant_of(alice, shown.id)
    assert isinstance(row, ObtainedToken)
    revoked = exchanges_forget(row=row, actor=Actor("alice", alice))

    assert revoked.outcome == "revoked_at_provider"
    there = exchange.world.there
    assert [there.knows(token) for token in (*tokens, kept)] == [None, None, "bob"]
    assert connections_of(alice) == []
    assert len(connections_of(bob)) == 1
    [event] = events("vault.grant.revoked")
    assert (event.subject_sub, event.detail["exchanged"]) == ("alice", 2)


def test_the_vendors_own_page_is_named_where_no_admin_named_one(exchange: Exchange) -> None:
    exchange.get()
    CredentialProvider.objects.update(vendor="MicrosoftOauth2", discovery_url="")
    alice, page = exchange.subject("alice"), "https://myapps.microsoft.com"

    (shown,) = connections_of(alice)
    row = grant_of(alice, shown.id)
    assert isinstance(row, ObtainedToken)
    revoked = exchanges_forget(row=row, actor=Actor("alice", alice))

    assert (shown.account_url, revoked.account_url) == (page, page)


def test_what_is_the_workload_identitys_own_is_nobodys_connection(
    world: World, alice: User
) -> None:
    world.token(alice, flow="M2M")

    assert connections_of(alice.subject) == []


def test_what_was_exchanged_and_is_over_is_not_shown(exchange: Exchange) -> None:
    exchange.get()
    ObtainedToken.objects.update(expires_at=timezone.now())

    assert connections_of(exchange.subject("alice")) == []
