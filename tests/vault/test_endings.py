"""Ending all access of somebody or something: at once here, then there, whatever dies meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents import services
from agents.errors import AgentDisabled, PersonDisabled, WorkloadDisabled
from agents.people import OwnAccount
from core import audit
from core.audit import Actor
from core.key_errors import KeyUnavailable
from core.models import User
from core.secret import Secret
from tests.vault.conftest import ADMIN, World, events
from vault.ending import cascade, revocations
from vault.ending.cascade import access_end, held_through, provider_end, work_off
from vault.errors import ProviderDisabled
from vault.models import (
    AccessEnding,
    CredentialProvider,
    Grant,
    ObtainedToken,
    Outcome,
    Revocation,
)

pytestmark = pytest.mark.django_db


def states() -> dict[str, str]:
    return dict(Grant.objects.values_list("user_sub", "state"))


def obtained(world: World, person: User) -> ObtainedToken:
    now = timezone.now()
    row = ObtainedToken(
        workload_identity=world.identity,
        provider=world.provider,
        user_iss=person.iss,
        user_sub=person.sub,
        asked_hash="x",
        obtained_at=now,
        expires_at=now + timedelta(hours=1),
    )
    row.access_sealed = row.sealed(Secret("at-exchanged"))
    row.save()
    return row


def tell() -> None:
    """Make every attempt that is due, and have the orders look again."""
    while revocations.attempt_due():
        pass
    AccessEnding.objects.filter(finished_at=None).update(next_step_at=timezone.now())
    work_off(for_s=10)


def test_an_agents_access_is_refused_at_once_and_then_over_everywhere(
    world: World, alice: User, bob: User
) -> None:
    for person in (alice, bob):
        world.grant(person)

    order = access_end(of=world.identity.agent, actor=ADMIN)

    with pytest.raises(AgentDisabled):
        world.read(alice)
    assert states() == {"alice": "live", "bob": "live"}
    assert (order.name, order.total) == ("Concierge", 2)

    work_off(for_s=10)
    assert states() == {"alice": "revoked", "bob": "revoked"}
    assert AccessEnding.objects.get().finished_at is None

    tell()
    order.refresh_from_db()
    assert (order.ended, order.count(Outcome.REVOKED_AT_PROVIDER)) == (2, 2)
    assert order.finished_at is not None
    assert world.there.family_of("alice").ended
    assert world.there.family_of("bob").ended
    taken_back = events("vault.grant.revoked")
    assert {(e.actor, e.subject_sub) for e in taken_back} == {
        ("an admin", "alice"), ("an admin", "bob"),
    }  # fmt: skip


def test_switching_off_alone_ends_no_consent(world: World, alice: User) -> None:
    world.grant(alice)
    services.agent_switch(agent=world.identity.agent, enabled=False, actor=ADMIN)

    work_off(for_s=1)
    services.agent_switch(agent=world.identity.agent, enabled=True, actor=ADMIN)

    assert world.there.knows(world.token(alice)) == "alice"
    assert world.there.asked_at("/revoke") == []


def test_a_persons_access_ends_and_nobody_elses(world: World, alice: User, bob: User) -> None:
    for person in (alice, bob):
        world.grant(person)

    access_end(of=alice, actor=ADMIN)
    work_off(for_s=10)

    assert states() == {"alice": "revoked", "bob": "live"}
    with pytest.raises(PersonDisabled):
        world.read(alice)
    assert world.token(bob)


def test_a_workload_identitys_access_ends(world: World, alice: User) -> None:
    world.grant(alice)

    access_end(of=world.identity, actor=ADMIN)
    work_off(for_s=10)

    assert states() == {"alice": "revoked"}
    with pytest.raises(WorkloadDisabled):
        world.read(alice)


def test_all_access_at_a_provider_ends_and_the_provider_stays(world: World, alice: User) -> None:
    world.grant(alice)

    access_end(of=world.provider, actor=ADMIN)
    work_off(for_s=10)
    tell()

    assert states() == {"alice": "revoked"}
    assert CredentialProvider.objects.get().enabled is False
    assert [e.provider for e in events("admin.provider.disabled")] == ["acme"]
    with pytest.raises(ProviderDisabled):
        world.read(alice)


def test_tokens_got_without_asking_end_too(world: World, alice: User, bob: User) -> None:
    obtained(world, alice)
    kept = obtained(world, bob)
    assert held_through(alice) == (0, 1)

    access_end(of=alice, actor=ADMIN)
    work_off(for_s=10)
    tell()

    assert ObtainedToken.objects.get() == kept
    assert [form["token"] for form in world.there.asked_at("/revoke")] == ["at-exchanged"]


def test_an_admin_does_not_end_their_own_access_with_their_account(alice: User) -> None:
    with pytest.raises(OwnAccount):
        access_end(of=alice, actor=Actor.person(alice))

    assert not AccessEnding.objects.exists()


def test_without_a_record_nothing_is_switched_off_or_ordered(world: World, alice: User) -> None:
    world.grant(alice)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent ADD CONSTRAINT broken CHECK (false) NOT VALID")

    with pytest.raises(audit.AuditUnavailable):
        access_end(of=world.identity.agent, actor=ADMIN)

    world.identity.agent.refresh_from_db()
    assert world.identity.agent.enabled
    assert not AccessEnding.objects.exists()


def test_what_was_granted_after_the_order_is_not_meant_by_it(
    world: World, alice: User, bob: User
) -> None:
    world.grant(alice)
    access_end(of=world.identity.agent, actor=ADMIN)
    services.agent_switch(agent=world.identity.agent, enabled=True, actor=ADMIN)
    world.grant(bob)

    work_off(for_s=10)
    tell()

    assert states() == {"alice": "revoked", "bob": "live"}
    assert AccessEnding.objects.get().finished_at is not None


def test_a_batch_that_fails_is_done_again_and_others_come_first(
    world: World, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in (alice, bob):
        world.grant(person)
    access_end(of=alice, actor=ADMIN)
    real = revocations.grant_forget

    def away(**asked: object) -> object:
        raise KeyUnavailable("KMS", because="away")

    monkeypatch.setattr(revocations, "grant_forget", away)
    assert work_off(for_s=1) == 1
    assert AccessEnding.objects.filter(next_step_at__gt=timezone.now()).exists()
    monkeypatch.setattr(revocations, "grant_forget", real)
    access_end(of=bob, actor=ADMIN)
    work_off(for_s=10)
    assert states() == {"alice": "live", "bob": "revoked"}

    AccessEnding.objects.filter(finished_at=None).update(next_step_at=timezone.now())
    work_off(for_s=10)
    assert states() == {"alice": "revoked", "bob": "revoked"}


def test_it_is_ended_batch_by_batch(
    world: World, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cascade, "_BATCH", 1)
    for person in (alice, bob):
        world.grant(person)
    access_end(of=world.provider, actor=ADMIN)

    work_off(for_s=0.0)
    assert AccessEnding.objects.get().ended == 0
    assert work_off(for_s=10) >= 2
    assert AccessEnding.objects.get().ended == 2


def test_a_provider_nobody_is_connected_at_is_deleted_at_once(world: World) -> None:
    assert provider_end(provider=world.provider, actor=ADMIN) is None
    assert not CredentialProvider.objects.exists()


def test_a_provider_is_deleted_once_it_was_told_of_everything(world: World, alice: User) -> None:
    world.grant(alice)
    obtained(world, alice)
    world.there.revocation_status = 503

    order = provider_end(provider=world.provider, actor=ADMIN)
    assert order is not None
    assert provider_end(provider=world.provider, actor=ADMIN) == order
    assert cascade.is_being_deleted(world.provider)
    work_off(for_s=10)
    tell()
    assert states() == {"alice": "revoked"}
    assert CredentialProvider.objects.get().enabled is False

    world.there.revocation_status = 200
    Revocation.objects.update(next_attempt_at=timezone.now())
    tell()
    assert not CredentialProvider.objects.exists()
    assert not Grant.objects.exists()
    order.refresh_from_db()
    assert (order.name, order.provider, order.count(Outcome.REVOKED_AT_PROVIDER)) == (
        "Acme Calendar", None, 1,
    )  # fmt: skip
    assert order.finished_at is not None
    assert world.there.family_of("alice").ended
    assert len(events("admin.provider.deleted")) == 1


def test_a_provider_that_cannot_be_told_is_deleted_when_it_is_given_up_on(
    world: World, alice: User
) -> None:
    world.grant(alice)
    world.there.revocation_status = 503
    provider_end(provider=world.provider, actor=ADMIN)
    work_off(for_s=10)
    tell()
    Revocation.objects.update(
        created_at=timezone.now() - revocations.GIVEN_UP_AFTER - timedelta(seconds=1),
        next_attempt_at=timezone.now(),
    )

    tell()

    assert not CredentialProvider.objects.exists()
    assert AccessEnding.objects.get().count(Outcome.GIVEN_UP) == 1


def test_a_provider_that_is_switched_on_while_it_is_deleted_is_deleted_all_the_same(
    world: World, alice: User, bob: User
) -> None:
    world.grant(alice)
    provider_end(provider=world.provider, actor=ADMIN)
    work_off(for_s=10)
    CredentialProvider.objects.update(enabled=True)
    world.grant(bob)

    for _ in range(3):
        tell()

    assert not CredentialProvider.objects.exists()
    assert world.there.family_of("bob").ended
