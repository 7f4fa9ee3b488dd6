"""What Celery runs: each task does what is due, and says nothing."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from celery.signals import worker_shutting_down
from django.utils import timezone

from agents.models import WorkloadIdentity
from core.models import User
from core.secret import Secret
from tests.fixtures.provider import Provider
from tests.vault.conftest import ADMIN, Expire, World
from tests.vault.webhook_parts import listening, put
from tests.vault.webhook_receiver import Says, receiving
from vault import tasks
from vault.ending.revocations import grant_revoke
from vault.grants import due
from vault.models import ConsentSession, CredentialProvider, Grant, Revocation, WebhookDelivery
from vault.providers.services import provider_store

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


def test_a_provider_whose_metadata_were_away_or_wrong_becomes_ready(
    there: Provider, concierge: WorkloadIdentity
) -> None:
    there.garbage = b"<html>"
    provider = provider_store(
        provider=CredentialProvider(
            name="acme", display_name="Acme", client_id="daiko", discovery_url=there.discovery_url
        ),
        client_secret=Secret("x"),
        workloads=[concierge],
        actor=ADMIN,
    )
    tasks.check_waiting_providers.run()
    kept = CredentialProvider.objects.get()
    assert (provider.status, kept.status) == ("CREATE_FAILED", "CREATE_FAILED")
    assert "no JSON object from 127.0.0.1" in kept.failure_reason

    there.garbage = b""
    tasks.check_waiting_providers.run()

    kept = CredentialProvider.objects.get()
    assert (kept.status, kept.failure_reason) == ("READY", "")


def test_a_provider_that_was_ready_and_is_led_elsewhere_says_so(
    there: Provider, acme: CredentialProvider
) -> None:
    acme.discovery_url = "http://127.0.0.1:9/.well-known/oauth-authorization-server"
    provider_store(provider=acme, client_secret=Secret("its own"), actor=ADMIN)
    assert CredentialProvider.objects.get().status == "UPDATING"

    acme.discovery_url = there.discovery_url
    provider_store(provider=acme, client_secret=Secret("s3cret:+/%&"), actor=ADMIN)
    assert CredentialProvider.objects.get().status == "READY"


def test_events_that_are_due_are_sent_and_old_ones_forgotten(db: None) -> None:
    with receiving() as there:
        endpoint, _ = listening(there)
        put(endpoint)

        tasks.deliver_webhooks.run()
        tasks.forget_old_webhooks.run()

        assert len(there.received) == 1
        assert WebhookDelivery.objects.get().state == "accepted"
        WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=31))
        tasks.forget_old_webhooks.run()
        assert not WebhookDelivery.objects.exists()


def test_a_second_delivery_in_the_same_process_leaves_its_thread_to_other_tasks(db: None) -> None:
    with receiving() as there:
        endpoint, _ = listening(there)
        there.answers.append(Says(silent=True))
        put(endpoint)
        first = threading.Thread(target=tasks.deliver_webhooks.run)
        first.start()
        assert there.came.wait(10)
        put(endpoint)

        tasks.deliver_webhooks.run()

        assert len(there.received) == 1
        there.let_go.set()
        first.join()
