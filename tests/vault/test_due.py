"""Refreshing ahead of expiry: many grants at once, several workers, and providers in trouble."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from agents.models import Agent, WorkloadIdentity
from core import database, oauth, refreshing
from core.models import User
from tests.fixtures.provider import Fault
from tests.vault.conftest import Expire, World, events
from vault.grants import due, renewal
from vault.grants.due import refresh_due
from vault.grants.renewal import Line
from vault.models import CredentialProvider, Grant, Revocation

pytestmark = pytest.mark.django_db(transaction=True)


def again(grant: Grant) -> Grant:
    return Grant.objects.get(pk=grant.pk)


def outcomes() -> list[tuple[str, str]]:
    return [(event.outcome, event.reason) for event in events("vault.refresh")]


@pytest.fixture
def three(world: World, alice: User, bob: User, charlie: User, expire: Expire) -> list[Grant]:
    """Three grants that are due."""
    grants = [world.grant(person) for person in (alice, bob, charlie)]
    for grant in grants:
        expire(grant)
    return grants


def test_due_grants_are_refreshed_ahead_and_others_left_alone(
    world: World, alice: User, bob: User, expire: Expire
) -> None:
    ahead, fresh = world.grant(alice), world.grant(bob)
    assert refresh_due() == 0
    expire(ahead)

    assert refresh_due() == 1

    assert again(ahead).generation == ahead.generation + 1
    assert again(fresh).generation == fresh.generation
    assert world.there.refreshes == 1
    assert outcomes() == [("allowed", "")]


def test_workers_at_once_refresh_each_grant_once(world: World, three: list[Grant]) -> None:
    taken: list[int] = []
    workers = [threading.Thread(target=lambda: taken.append(refresh_due())) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sum(taken) == 3
    assert world.there.refreshes == 3
    assert outcomes() == [("allowed", "")] * 3
    assert not any(family.ended for family in world.there.families.values())


def test_no_more_is_under_way_at_a_provider_than_it_takes(world: World, three: list[Grant]) -> None:
    CredentialProvider.objects.update(refresh_at_once=1)
    Grant.objects.filter(pk=three[0].pk).update(
        spending_by="00000000-0000-0000-0000-000000000001", spending_since=timezone.now()
    )

    assert refresh_due() == 0
    assert world.there.refreshes == 0


def test_a_lane_stays_open_at_the_share_of_a_provider_that_takes_one_at_a_time(
    world: World, three: list[Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    CredentialProvider.objects.update(refresh_at_once=1)
    opened: list[str] = []
    to = Line.to

    def opening(there: CredentialProvider) -> Line:
        opened.append(there.name)
        return to(there)

    monkeypatch.setattr(Line, "to", opening)

    assert refresh_due() == 3

    assert opened == ["acme"]
    assert all(again(grant).generation == grant.generation + 1 for grant in three)


def test_a_busy_provider_is_left_alone_for_as_long_as_it_says(
    world: World, three: list[Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "_FIRST_WINDOW", 1)
    world.there.faults.append(Fault.TOO_MANY)
    asked = len(world.there.asked_at("/token"))

    assert refresh_due() == 1
    assert refresh_due() == 0

    assert len(world.there.asked_at("/token")) == asked + 1
    until = CredentialProvider.objects.get().refresh_not_before
    assert until is not None
    assert until > timezone.now() + timedelta(seconds=295)
    assert Grant.objects.filter(state="live", failures=0).count() == 2


def test_a_provider_that_is_away_costs_a_few_attempts_and_not_one_for_each_grant(
    world: World, three: list[Grant]
) -> None:
    world.there.faults.extend([Fault.ERROR_500] * 3)

    assert refresh_due() == 2

    until = CredentialProvider.objects.get().refresh_not_before
    assert until is not None
    assert until > timezone.now() + timedelta(seconds=5)
    assert Grant.objects.filter(state="live", failures=0).count() == 1


def test_a_provider_whose_metadata_is_away_is_left_alone(world: World, three: list[Grant]) -> None:
    CredentialProvider.objects.update(discovery_url="http://127.0.0.1:1/.well-known/x")

    assert refresh_due() == 0

    assert world.there.refreshes == 0
    assert renewal.rest_left_s(CredentialProvider.objects.get()) > 5
    assert Grant.objects.filter(failures=0, spending_since=None).count() == 3


def test_a_provider_that_is_switched_off_is_not_asked(world: World, three: list[Grant]) -> None:
    CredentialProvider.objects.update(enabled=False)

    assert refresh_due() == 0
    assert world.there.refreshes == 0


@pytest.mark.parametrize(
    "switch_off",
    [
        lambda: WorkloadIdentity.objects.update(enabled=False),
        lambda: Agent.objects.update(enabled=False),
        lambda: User.objects.update(is_active=False),
    ],
)
def test_what_nobody_may_use_now_is_put_aside_and_not_refreshed(
    switch_off: Callable[[], object], world: World, three: list[Grant]
) -> None:
    switch_off()

    assert refresh_due() == 0

    assert world.there.refreshes == 0
    later = timezone.now() + timedelta(seconds=595)
    assert Grant.objects.filter(next_refresh_at__gt=later, failures=0).count() == 3


def test_one_grant_that_ends_does_not_keep_the_others_from_being_refreshed(
    world: World, three: list[Grant]
) -> None:
    world.there.family_of("alice").ended = True

    assert refresh_due() == 3

    assert [again(grant).state for grant in three] == ["lapsed", "live", "live"]
    assert sorted(outcomes()) == [("allowed", ""), ("allowed", ""), ("failed", "reconnect_needed")]


def test_a_token_that_does_not_open_is_put_off_without_a_mark(
    world: World, three: list[Grant]
) -> None:
    swapped = again(three[1]).refresh_sealed
    Grant.objects.filter(pk=three[0].pk).update(refresh_sealed=swapped)

    assert refresh_due() == 2

    broken = again(three[0])
    assert (broken.state, broken.last_failure, broken.spending_since) == (
        "live", "seal_broken", None,
    )  # fmt: skip
    assert world.there.refreshes == 2
    assert ("failed", "seal_broken") in outcomes()


def test_a_claim_whose_worker_died_is_repeated_within_the_grace_and_never_later(
    world: World, three: list[Grant]
) -> None:
    for grant, ago_s in zip(three, (19, 21, 61), strict=True):
        Grant.objects.filter(pk=grant.pk).update(
            spending_by="00000000-0000-0000-0000-000000000001",
            spending_since=timezone.now() - timedelta(seconds=ago_s),
        )

    assert refresh_due() == 1

    assert [again(grant).state for grant in three] == ["live", "live", "lapsed"]
    assert again(three[0]).generation == three[0].generation
    assert again(three[1]).generation == three[1].generation + 1
    assert sorted(outcomes()) == [("allowed", ""), ("failed", "reconnect_needed")]


def test_an_answer_that_cannot_be_stored_at_once_is_stored_a_moment_later(
    world: World, three: list[Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = refreshing.settle, [DatabaseError("the database restarts")] * 2

    def settle(*args: Any, **kwargs: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr(refreshing, "settle", settle)
    monkeypatch.setattr(due, "_RETRY_STORE_S", 0.01)

    assert refresh_due() == 3

    assert Grant.objects.filter(generation=2).count() == 3
    assert outcomes() == [("allowed", "")] * 3


def test_an_answer_that_can_never_be_stored_leaves_its_mark_and_the_others_go_on(
    world: World, three: list[Grant], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    real = refreshing.settle

    def settle(spent: Any, **kwargs: Any) -> Any:
        if any(one.claim.row.pk == three[0].pk for one in spent):
            raise DatabaseError("refused")
        return real(spent, **kwargs)

    monkeypatch.setattr(refreshing, "settle", settle)
    monkeypatch.setattr(due, "_STORE_FOR_S", 0.0)

    assert refresh_due() == 3

    assert again(three[0]).spending_by is not None
    assert Grant.objects.filter(generation=2).count() == 2
    assert "vault.refresh.failed" in caplog.text


def test_tokens_that_come_after_the_person_disconnected_wait_to_be_revoked(
    world: World, three: list[Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = oauth.atoken_request

    def disconnect(_: None) -> None:
        Grant.objects.update(state="revoked", access_sealed=None, refresh_sealed=None)

    async def disconnected(*args: Any, **kwargs: Any) -> oauth.Tokens:
        tokens = await real(*args, **kwargs)
        await database.on_thread(disconnect, None)
        return tokens

    monkeypatch.setattr(oauth, "atoken_request", disconnected)
    CredentialProvider.objects.update(refresh_at_once=1)

    assert refresh_due() == 1

    [waiting] = Revocation.objects.all()
    kept = waiting.refresh_token()
    assert kept is not None
    assert kept.reveal() in {family.current for family in world.there.families.values()}
    assert world.there.asked_at("/revoke") == []


def test_a_mistake_in_one_lane_is_logged_and_kept_from_the_worker(
    world: World, three: list[Grant], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(due, "_is_in_use", broken)

    assert refresh_due() == 0
    assert "vault.refresh.lane_failed" in caplog.text
    assert Grant.objects.filter(spending_since=None).count() == 3
