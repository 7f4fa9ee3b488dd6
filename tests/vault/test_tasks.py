"""What Celery runs: each task does what is due, and says nothing."""

from __future__ import annotations

import threading

import pytest
from celery.signals import worker_shutting_down

from core.models import User
from tests.vault.conftest import ADMIN, Expire, World
from vault import due, tasks
from vault.models import ConsentSession, Grant, Revocation
from vault.revocations import grant_revoke

pytestmark = pytest.mark.django_db(transaction=True)


def test_due_grants_are_refreshed(world: World, alice: User, bob: User, expire: Expire) -> None:
    for person in (alice, bob):
        expire(world.grant(person))

    tasks.refresh_due.run()

    assert world.there.refreshes == 2
    assert Grant.objects.filter(generation=2).count() == 2


def test_a_second_run_in_the_same_process_leaves_its_thread_to_other_tasks(
    world: World, alice: User, expire: Expire
) -> None:
    expire(world.grant(alice))
    world.there.before.clear()
    first = threading.Thread(target=tasks.refresh_due.run)
    first.start()
    assert world.there.waiting.wait(10)

    tasks.refresh_due.run()

    assert first.is_alive()
    world.there.before.set()
    first.join()
    assert world.there.refreshes == 1


def test_a_worker_that_shuts_down_begins_nothing_and_finishes_what_is_under_way(
    world: World, alice: User, bob: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_stopping", threading.Event())
    monkeypatch.setattr(due, "_FIRST_WINDOW", 1)
    for person in (alice, bob):
        expire(world.grant(person))
    world.there.before.clear()
    run = threading.Thread(target=tasks.refresh_due.run)
    run.start()
    assert world.there.waiting.wait(10)

    worker_shutting_down.send(sender="a worker", sig="SIGTERM", how="Warm", exitcode=0)

    world.there.before.set()
    run.join()
    assert world.there.refreshes == 1
    assert not Grant.objects.exclude(spending_since=None).exists()


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
