"""What Celery runs: each task does what is due, and says nothing."""

from __future__ import annotations

import pytest

from core.models import User
from tests.vault.conftest import ADMIN, Expire, World
from vault import renewal, tasks
from vault.models import ConsentSession, Grant, Revocation
from vault.revocations import grant_revoke

pytestmark = pytest.mark.django_db(transaction=True)


def test_due_grants_are_refreshed_batch_by_batch(
    world: World, alice: User, bob: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "BATCH", 1)
    for person in (alice, bob):
        expire(world.grant(person))

    tasks.refresh_due.run()

    assert world.there.refreshes == 2
    assert Grant.objects.filter(generation=2).count() == 2


def test_a_run_ends_though_there_is_more_to_do(
    world: World, alice: User, bob: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "BATCH", 1)
    monkeypatch.setattr(tasks, "_RUN_S", 0.0)
    for person in (alice, bob):
        expire(world.grant(person))

    tasks.refresh_due.run()

    assert world.there.refreshes == 1


def test_sessions_are_ended_when_their_time_is_over(world: World, alice: User) -> None:
    world.wait(alice)
    ConsentSession.objects.update(expires_at="2020-01-01T00:00:00Z")

    tasks.expire_consent_sessions.run()

    assert ConsentSession.objects.get().status == "expired"


def test_revocations_are_tried_again_when_they_are_due(world: World, alice: User) -> None:
    world.there.revocation_status = 503
    grant_revoke(grant=world.grant(alice), actor=ADMIN)
    world.there.revocation_status = 200
    Revocation.objects.update(next_attempt_at="2020-01-01T00:00:00Z")

    tasks.revoke_due.run()

    assert not Revocation.objects.exists()
    assert world.there.family_of("alice").ended
