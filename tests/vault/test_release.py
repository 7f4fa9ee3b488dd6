"""The release of an access token: who gets it, and that nobody else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q

from agents import workload
from agents.keys.callers import Caller
from agents.models import WorkloadIdentity
from core import audit
from core.crypto import SealBroken
from core.errors import AppError
from core.models import AuditEvent, User
from core.secret import Secret
from core.subject import Subject
from tests.vault.conftest import ADMIN, SESSION, Browser, World, events, token_of
from tests.vault.test_consent_refused import SWITCHES
from vault.errors import FlowNotSupported, ProviderUnknown
from vault.grants import keeping
from vault.models import ConsentSession, CredentialProvider, Grant
from vault.providers.services import provider_store
from vault.standing import admitted
from vault.token_read import Waiting

pytestmark = pytest.mark.django_db


def test_it_releases_the_token_of_the_person_asked_for(
    world: World, alice: User, bob: User
) -> None:
    world.grant(alice)
    world.grant(bob)

    assert world.there.knows(world.token(alice)) == "alice"
    assert world.there.knows(world.token(bob)) == "bob"


def test_a_person_without_a_grant_gets_nobody_elses(
    world: World, alice: User, charlie: User
) -> None:
    world.grant(alice)

    assert isinstance(world.read(charlie), Waiting)
    assert not events("vault.token.released")


def test_another_agent_gets_nothing_of_what_was_granted_to_this_one(
    world: World, alice: User, greeter: WorkloadIdentity
) -> None:
    world.grant(alice)
    world.provider.workloads.add(greeter)

    assert isinstance(World(greeter, world.provider, world.there).read(alice), Waiting)


def test_another_provider_gives_nothing_of_this_ones(
    world: World, alice: User, concierge: WorkloadIdentity
) -> None:
    world.grant(alice)
    other = provider_store(
        provider=CredentialProvider(
            name="other",
            display_name="Other",
            client_id="x",
            client_auth="none",
            discovery_url=world.there.discovery_url,
        ),
        client_secret=None,
        workloads=[concierge],
        actor=ADMIN,
    )

    assert isinstance(World(concierge, other, world.there).read(alice), Waiting)


def test_each_event_of_the_agents_question_names_the_call_to_the_agent(
    world: World, alice: User
) -> None:
    token = workload.issue(
        workload_id=world.identity.pk,
        workload_name=world.identity.name,
        subject=alice.subject,
        invocation="the-call",
    )
    world.read(alice, unverified_token=token)
    world.grant(alice)
    world.read(alice, unverified_token=token)
    world.identity.agent.enabled = False
    world.identity.agent.save()
    with pytest.raises(AppError):
        world.read(alice, unverified_token=token)

    named = AuditEvent.objects.filter(detail__invocation="the-call").order_by("pk")
    assert list(named.values_list("action", flat=True)) == [
        "vault.consent.begun",
        "vault.token.released",
        "vault.token.refused",
    ]


def test_the_use_is_noted_on_the_grant(world: World, alice: User) -> None:
    grant = world.grant(alice)
    assert grant.last_used_at is None

    world.token(alice)

    used = Grant.objects.get(pk=grant.pk)
    assert used.last_used_at is not None
    assert used.last_used_session == SESSION


@pytest.mark.parametrize("switch_off", SWITCHES)
def test_what_is_switched_off_gets_nothing_with_the_next_request(
    switch_off: Callable[[World, User], None], world: World, alice: User
) -> None:
    world.grant(alice)
    switch_off(world, alice)

    with pytest.raises(AppError) as caught:
        world.read(alice)

    assert caught.value.code in {
        "provider_disabled", "provider_not_allowed", "workload_disabled", "agent_disabled",
        "person_disabled",
    }  # fmt: skip
    assert not events("vault.token.released")
    refused = events("vault.token.refused")[0]
    assert (refused.outcome, refused.reason) == ("refused", caught.value.code)
    assert ConsentSession.objects.count() == 1


def test_a_workload_identity_that_is_gone_gets_nothing(world: World, alice: User) -> None:
    token = token_of(world.identity, alice)
    world.identity.agent.delete()
    world.identity.delete()

    with pytest.raises(AppError, match="workload_disabled"):
        world.read(alice, unverified_token=token)


def test_a_provider_that_does_not_exist_is_not_found(world: World, alice: User) -> None:
    with pytest.raises(ProviderUnknown) as caught:
        world.read(alice, provider_name="nowhere")
    assert (caught.value.status, caught.value.aws) == (404, "ResourceNotFoundException")


def test_a_provider_may_be_open_to_every_workload_identity(
    world: World, alice: User, greeter: WorkloadIdentity
) -> None:
    CredentialProvider.objects.update(any_workload=True)

    assert isinstance(World(greeter, world.provider, world.there).read(alice), Waiting)


def test_a_workload_token_without_a_person_is_told_so(world: World) -> None:
    with pytest.raises(FlowNotSupported) as caught:
        world.read(None)
    assert "needs a workload access token of a person" in str(caught.value.message)
    assert [event.reason for event in events("vault.token.refused")] == ["person_missing"]


def test_what_is_asked_for_in_vain_is_on_record(
    world: World, alice: User, greeter: WorkloadIdentity
) -> None:
    caller = Caller("AKIAGREETER", greeter.name)
    vain: list[dict[str, Any]] = [
        {"unverified_token": Secret("wat1.made-up")},
        {"caller": caller},
        {"flow": "ANOTHER"},
    ]
    for changed in vain:
        with pytest.raises(AppError):
            world.read(alice, **changed)

    assert [(e.reason, e.client) for e in events("vault.token.refused")] == [
        ("workload_token_invalid", "AKIATEST"),
        ("foreign_workload", "AKIAGREETER"),
        ("flow_not_supported", "AKIATEST"),
    ]


def _break_audit() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent ADD CONSTRAINT broken CHECK (false) NOT VALID")


def test_without_a_record_nothing_is_released(world: World, alice: User) -> None:
    grant = world.grant(alice)
    _break_audit()

    with pytest.raises(audit.AuditUnavailable):
        world.read(alice)

    grant.refresh_from_db()
    assert grant.last_used_at is None


def test_without_a_record_nobody_is_asked_either(world: World, alice: User) -> None:
    _break_audit()

    with pytest.raises(audit.AuditUnavailable):
        world.read(alice)
    assert not ConsentSession.objects.exists()


def test_a_release_whose_commit_fails_does_not_happen(
    world: World, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.grant(alice)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "ALTER TABLE vault_grant ADD CONSTRAINT unused CHECK (last_used_at IS NULL) NOT VALID"
        )
    opened: list[object] = []
    monkeypatch.setattr(Grant, "access_token", opened.append)

    with pytest.raises(audit.AuditUnavailable):
        world.read(alice)
    assert opened == []


def test_a_grant_taken_back_between_question_and_release_is_not_released(
    world: World, alice: User
) -> None:
    grant = world.grant(alice)
    parties = admitted(workload_id=world.identity.pk, subject=alice.subject, provider=_named(world))
    Grant.objects.update(state="revoked", access_sealed=None, refresh_sealed=None)

    with pytest.raises(AppError, match="reconnect_needed"):
        keeping.token_release(grant=grant, parties=parties, scopes=(), session_id="", client="")
    assert not events("vault.token.released")


def _named(world: World) -> Q:
    return Q(name=world.provider.name)


@pytest.mark.parametrize(
    "move",
    ["to another row", "to another owner", "to another column", "changed by one bit"],
)
def test_a_sealed_token_that_is_moved_does_not_open(
    move: str, world: World, alice: User, bob: User
) -> None:
    mine, other = world.grant(alice), world.grant(bob)
    if move == "to another row":
        Grant.objects.filter(pk=other.pk).update(access_sealed=mine.access_sealed)
    elif move == "to another owner":
        Grant.objects.filter(pk=other.pk).update(state="lapsed")
        Grant.objects.filter(pk=mine.pk).update(user_sub="bob")
    elif move == "to another column":
        Grant.objects.filter(pk=other.pk).update(access_sealed=other.refresh_sealed)
    else:
        flipped = bytearray(other.access_sealed or b"")
        flipped[-1] ^= 1
        Grant.objects.filter(pk=other.pk).update(access_sealed=bytes(flipped))

    with pytest.raises(SealBroken):
        world.read(bob)


def test_the_database_holds_no_secret_in_clear(world: World, alice: User) -> None:
    waiting = world.wait(alice, "contacts.read", custom_state=Secret("custom-state"))
    world.to_provider(waiting, Browser(alice))
    pending = world.wait(alice, "calendar.read")
    world.consent(pending, Browser(alice))
    world.grant(alice, runtime_session_id="another")
    token = world.token(alice)
    family = world.there.family_of("alice")
    secrets = [token, family.current, "s3cret", "custom-state", waiting.session_uri[-20:]]
    secrets += [waiting.session_uri, *(a["state"][0] for a in world.there.authorizations)]

    dumped = ""
    with connection.cursor() as cursor:
        for table in ("vault_grant", "vault_consentsession", "vault_credentialprovider",
                      "core_auditevent"):  # fmt: skip
            cursor.execute(f"SELECT t::text FROM {table} t")  # noqa: S608  (literals above)
            dumped += "\n".join(row for (row,) in cursor.fetchall())

    for secret in secrets:
        assert secret not in dumped
        assert secret.encode().hex() not in dumped


def test_a_person_whom_this_site_has_never_seen_is_known_by_their_token(world: World) -> None:
    stranger = Subject("https://idp.example", "never-here")

    assert isinstance(world.read(stranger), Waiting)


def test_a_read_asks_the_database_for_little(
    world: World, alice: User, django_assert_num_queries: Any
) -> None:
    world.grant(alice)
    world.token(alice)

    # The identity, the provider, and of each whether it may; two policies; the grant; its release.
    with django_assert_num_queries(4 + 2 + 1 + 1 + 2) as asked:
        world.token(alice)

    assert sum(query["sql"].startswith(("SAVEPOINT", "RELEASE")) for query in asked) == 2
