"""A workload identity's own token: client credentials, kept, and asked for once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from agents.errors import AgentDisabled, PersonDisabled, WorkloadDisabled
from agents.models import Agent, WorkloadIdentity
from core import audit, oauth
from core.crypto import SealBroken
from core.models import AuditEvent, User
from core.refreshing import StillBusy
from core.secret import Secret
from core.subject import Subject
from tests.fixtures.provider import CLIENT_ID, Fault
from tests.vault.conftest import World, events
from vault import tasks
from vault.asked.wanted import ResourceToken
from vault.errors import (
    FlowNotSupported,
    ParameterReserved,
    ProviderDisabled,
    ProviderNotAllowed,
    ScopeRefused,
    TargetRefused,
)
from vault.flows import obtaining
from vault.models import ConsentSession, CredentialProvider, Grant, ObtainedToken

pytestmark = pytest.mark.django_db(transaction=True)


def own(world: World, person: User | Subject | None = None, *scopes: str, **changed: Any) -> str:
    """Return the workload identity's own token, asked for by M2M."""
    return world.token(person, *scopes, flow="M2M", **changed)


def made_of(world: World) -> dict[str, list[str]]:
    return world.there.sent[-1]


def test_a_workload_identity_gets_a_token_of_its_own(world: World) -> None:
    token = own(world)

    assert world.there.knows(token) == CLIENT_ID
    assert made_of(world) == {"grant_type": ["client_credentials"], "scope": ["calendar.read"]}
    assert not Grant.objects.exists()
    assert not ConsentSession.objects.exists()


def test_what_the_provider_said_of_it_comes_along(world: World) -> None:
    world.there.said_scope = "calendar.read calendar.list"

    answer = world.read(None, flow="M2M")

    assert isinstance(answer, ResourceToken)
    assert answer.token_type == "Bearer"
    assert answer.scopes == ("calendar.list", "calendar.read")
    assert answer.expires_at is not None
    assert 100 < (answer.expires_at - timezone.now()).total_seconds() <= 120


def test_it_is_kept_and_one_and_the_same_for_whoever_the_agent_is_called_for(
    world: World, alice: User, bob: User
) -> None:
    tokens = {own(world, person) for person in (None, alice, bob, alice)}

    assert len(tokens) == 1
    assert world.there.obtained == 1
    assert [e.subject_sub for e in events("vault.token.released")] == ["", "alice", "bob", "alice"]
    [row] = ObtainedToken.objects.all()
    assert row.subject == Subject.of_workload(world.identity.name)


def test_it_is_no_answer_where_a_person_has_to_consent(world: World, alice: User) -> None:
    own(world, alice)

    world.wait(alice)


def test_what_is_kept_is_sealed_for_its_row(world: World) -> None:
    token = own(world)
    own(world, None, "calendar.list")
    one, other = ObtainedToken.objects.order_by("created_at")
    assert token.encode() not in bytes(one.access_sealed or b"")
    ObtainedToken.objects.filter(pk=other.pk).update(access_sealed=one.access_sealed)

    with pytest.raises(SealBroken):
        own(world, None, "calendar.list")


@pytest.mark.parametrize(
    "other",
    [
        {"scopes": ("calendar.list",)},
        {"resources": ("https://api.acme.example/",)},
        {"audiences": ("https://api.acme.example/",)},
        {"custom_parameters": {"tenant": Secret("acme")}},
    ],
)
def test_whoever_asks_for_something_else_gets_another_one(
    world: World, other: dict[str, Any]
) -> None:
    first, second = own(world), own(world, **other)

    assert first != second
    assert (own(world), own(world, **other)) == (first, second)
    assert world.there.obtained == 2


def test_another_workload_identity_gets_another_one(
    world: World, greeter: WorkloadIdentity
) -> None:
    world.provider.workloads.add(greeter)
    theirs = World(greeter, world.provider, world.there)

    assert own(world) != own(theirs)
    assert own(world) != own(theirs)
    assert world.there.obtained == 2


def test_resources_audiences_and_custom_parameters_are_sent_and_override_nothing(
    world: World,
) -> None:
    own(
        world,
        resources=("https://a.example/", "https://b.example/"),
        audiences=("one", "two"),
        custom_parameters={
            "tenant": Secret("acme"),
            "grant_type": Secret("password"),
            "Client.Id": Secret("another"),
            "scope": Secret("everything"),
        },
    )

    assert made_of(world) == {
        "grant_type": ["client_credentials"],
        "scope": ["calendar.read"],
        "resource": ["https://a.example/", "https://b.example/"],
        "audience": ["one", "two"],
        "tenant": ["acme"],
    }


def test_what_would_ask_for_more_than_the_scopes_say_is_refused_before_anything_is_sent(
    world: World,
) -> None:
    with pytest.raises(ParameterReserved):
        own(world, custom_parameters={"authorization_details": Secret("[]")})

    assert not world.there.sent


def _expires(in_s: float) -> None:
    ObtainedToken.objects.update(expires_at=timezone.now() + timedelta(seconds=in_s))


@pytest.mark.parametrize(("left_s", "obtained"), [(25, 1), (15, 2), (-1, 2)])
def test_shortly_before_it_expires_there_is_a_new_one(
    world: World, left_s: float, obtained: int
) -> None:
    own(world)
    _expires(left_s)

    assert world.there.knows(own(world)) == CLIENT_ID

    assert world.there.obtained == obtained


def test_one_that_lives_shorter_than_that_is_handed_out_all_the_same(world: World) -> None:
    world.there.access_s = 5

    assert own(world) != own(world)
    assert world.there.obtained == 2


def test_one_that_does_not_say_how_long_it_lives_is_kept_for_five_minutes(world: World) -> None:
    world.there.access_s = None

    own(world)

    row = ObtainedToken.objects.get()
    assert row.expires_at is not None
    assert 290 < (row.expires_at - timezone.now()).total_seconds() <= 300


def test_a_new_one_can_be_forced(world: World) -> None:
    first = own(world)

    second = own(world, forced=True)

    assert second != first
    assert own(world) == second


def test_what_was_got_before_an_admin_changed_the_provider_is_not_used(world: World) -> None:
    own(world)
    world.provider.save()

    own(world)

    assert world.there.obtained == 2


@pytest.mark.parametrize(
    ("fault", "refusal", "words"),
    [
        (Fault.WRONG_CLIENT, oauth.Misconfigured, "invalid_client: The secret has expired"),
        (Fault.WRONG_SCOPE, ScopeRefused, "invalid_scope: There is no such scope"),
        (Fault.WRONG_TARGET, TargetRefused, "invalid_target: There is no such audience"),
        (Fault.ERROR_500, oauth.TryLater, "not available"),
        (Fault.HANG_UP_AFTER, oauth.Unanswered, "did not answer"),
        (Fault.MALFORMED, oauth.Unanswered, "no access token"),
    ],
)
def test_a_failure_says_what_the_provider_said_and_is_not_repeated_at_once(
    world: World, fault: Fault, refusal: type[oauth.OAuthError], words: str
) -> None:
    world.there.faults.append(fault)

    with pytest.raises(refusal) as first:
        own(world)
    with pytest.raises(refusal) as second:
        own(world)

    assert words in str(first.value.message)
    assert str(second.value.message) == str(first.value.message)
    assert len(world.there.sent) == 1
    [failed] = events("vault.token.obtained")
    assert (failed.outcome, failed.reason) == ("failed", first.value.code)
    assert not events("vault.token.released")
    ObtainedToken.objects.update(retry_at=timezone.now())
    assert world.there.knows(own(world)) == CLIENT_ID


def test_a_provider_that_says_when_to_come_back_is_left_alone_until_then(world: World) -> None:
    world.there.faults.append(Fault.TOO_MANY)

    with pytest.raises(oauth.TryLater):
        own(world)

    row = ObtainedToken.objects.get()
    assert row.retry_at is not None
    assert 50 < (row.retry_at - timezone.now()).total_seconds() <= 60


def test_after_a_change_by_an_admin_an_old_failure_holds_nobody_up(world: World) -> None:
    world.there.faults.append(Fault.WRONG_CLIENT)
    with pytest.raises(oauth.Misconfigured):
        own(world)
    world.provider.save()

    assert world.there.knows(own(world)) == CLIENT_ID


def test_a_public_client_has_no_credentials_to_ask_with(world: World) -> None:
    world.provider.client_auth = "none"
    world.provider.keep_secret(None)
    world.provider.save()

    with pytest.raises(FlowNotSupported) as refused:
        own(world)

    assert "public client" in str(refused.value.message)
    assert not world.there.sent


def _workload_off() -> None:
    WorkloadIdentity.objects.update(enabled=False)


def _agent_off() -> None:
    Agent.objects.update(enabled=False)


def _person_off() -> None:
    User.objects.update(is_active=False)


def _provider_off() -> None:
    CredentialProvider.objects.update(enabled=False)


def _provider_closed() -> None:
    CredentialProvider.objects.get().workloads.clear()


@pytest.mark.parametrize(
    ("switch_off", "refusal"),
    [
        (_workload_off, WorkloadDisabled),
        (_agent_off, AgentDisabled),
        (_person_off, PersonDisabled),
        (_provider_off, ProviderDisabled),
        (_provider_closed, ProviderNotAllowed),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_what_is_switched_off_gets_nothing_more_kept_or_new(
    world: World, alice: User, switch_off: Any, refusal: type[Exception], kept: bool
) -> None:
    if kept:
        own(world, alice)
    asked, released = len(world.there.sent), len(events("vault.token.released"))
    switch_off()

    with pytest.raises(refusal):
        own(world, alice)

    assert (len(world.there.sent), len(events("vault.token.released"))) == (asked, released)


def test_a_provider_that_takes_its_time_wins_no_agent_a_token_that_was_switched_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = oauth.token_request

    def slowly(*args: Any, **asked: Any) -> oauth.Tokens:
        tokens = real(*args, **asked)
        _agent_off()  # while the answer was on its way
        return tokens

    monkeypatch.setattr(oauth, "token_request", slowly)

    with pytest.raises(AgentDisabled):
        own(world)

    assert not events("vault.token.released")


def test_nothing_leaves_that_cannot_be_put_on_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(world)

    def full(_: audit.Event) -> None:
        raise audit.AuditUnavailable

    monkeypatch.setattr(audit, "record", full)
    with pytest.raises(audit.AuditUnavailable):
        own(world)


def test_the_record_says_what_was_got_and_what_left_and_no_secret(
    world: World, alice: User
) -> None:
    token = own(world, alice, custom_parameters={"tenant": Secret("hush-hush")})

    [obtained], [released] = events("vault.token.obtained"), events("vault.token.released")
    for event in (obtained, released):
        assert (event.workload, event.provider) == (world.identity.name, "acme")
        assert event.detail["flow"] == "M2M"
        assert event.detail["scopes"] == ["calendar.read"]
    assert released.client == "AKIATEST"
    kept = str(list(AuditEvent.objects.values())) + str(list(ObtainedToken.objects.values()))
    assert token not in kept
    assert "hush-hush" not in kept


def test_of_many_who_ask_at_once_one_asks_the_provider(world: World) -> None:
    world.there.after.clear()
    begun = threading.Barrier(13)

    def read(_: int) -> str:
        begun.wait(10)
        try:
            return own(world)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as threads:
        got = threads.map(read, range(12))
        begun.wait(10)
        assert world.there.waiting.wait(10)
        world.there.after.set()
        assert len(set(got)) == 1

    assert world.there.obtained == 1
    assert len(events("vault.token.obtained")) == 1
    assert len(events("vault.token.released")) == 12


def test_whoever_waited_for_a_refusal_is_refused_too_and_asks_nobody(world: World) -> None:
    world.there.before.clear()
    world.there.fails_held = True

    def read(_: int) -> str:
        try:
            return own(world)
        except oauth.TryLater as exc:
            return exc.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        got = threads.map(read, range(6))
        assert world.there.waiting.wait(10)
        world.there.before.set()
        assert set(got) == {"provider_unavailable"}

    assert len(world.there.sent) == 1


def test_a_request_whose_owner_died_is_made_by_somebody_else(world: World) -> None:
    own(world)
    _expires(-1)
    since = timezone.now() - timedelta(seconds=21)
    ObtainedToken.objects.update(asking_by=ObtainedToken.objects.get().pk, asking_since=since)

    assert world.there.knows(own(world)) == CLIENT_ID

    row = ObtainedToken.objects.get()
    assert (row.asking_by, row.generation) == (None, 2)


def test_what_comes_after_its_row_was_forgotten_is_ended_at_the_provider(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = oauth.token_request
    got: list[oauth.Tokens] = []

    def slowly(*args: Any, **asked: Any) -> oauth.Tokens:
        got.append(real(*args, **asked))
        ObtainedToken.objects.all().delete()
        return got[-1]

    monkeypatch.setattr(oauth, "token_request", slowly)

    with pytest.raises(StillBusy):
        own(world)

    assert world.there.knows(got[0].access.reveal()) is None
    assert not events("vault.token.released")


def test_an_agent_that_asks_for_ever_new_things_keeps_a_hundred_of_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obtaining, "_MAX_KEPT", 3)

    for number in range(5):
        own(world, None, f"scope-{number}")

    assert sorted(row.scopes[0] for row in ObtainedToken.objects.all()) == [
        "scope-2",
        "scope-3",
        "scope-4",
    ]


def test_what_is_over_is_forgotten_by_the_task(world: World) -> None:
    own(world)
    own(world, None, "calendar.list")
    ObtainedToken.objects.filter(scopes=["calendar.list"]).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )

    tasks.forget_obtained_tokens.run()

    assert ObtainedToken.objects.get().scopes == ["calendar.read"]
