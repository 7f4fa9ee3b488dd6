"""What happens to a grant is told of, in the transaction in which it happens, with no token."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import WorkloadIdentity
from core import refreshing
from core.audit import Actor, AuditUnavailable
from core.errors import AppError
from core.models import User
from core.subject import Subject
from tests.fixtures.provider import Fault
from tests.vault.conftest import ADMIN, Expire, World
from tests.vault.webhook_parts import endpoint_at, told
from vault.ending import cascade, revocations
from vault.ending.revocations import grant_revoke, grants_write_off
from vault.grants import renewal
from vault.grants.due import refresh_due
from vault.grants.renewal import grant_refresh
from vault.holdings.listing import Filters
from vault.holdings.taking_back import holdings_revoke
from vault.models import EventType, Grant, Revocation, WebhookDelivery, WebhookEndpoint
from vault.webhooks import happenings, outbox

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)

NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture
def endpoint(db: None) -> WebhookEndpoint:
    """An endpoint that wants everything. Nothing is sent in these tests."""
    return endpoint_at(NOWHERE)[0]


def person(user: User) -> dict[str, str]:
    return {"iss": user.iss, "sub": user.sub}


def again(grant: Grant) -> Grant:
    return Grant.objects.with_parties().get(pk=grant.pk)


def refresh_failing(grant: Grant) -> None:
    with pytest.raises((refreshing.ReconnectNeeded, AppError)):
        grant_refresh(grant=again(grant))


# Granted


def test_a_consent_is_told_of_with_who_and_what_and_no_token(
    endpoint: WebhookEndpoint, world: World, alice: User
) -> None:
    grant = world.grant(alice)

    [said] = told()
    assert said["type"] == "grant.granted"
    assert datetime.fromisoformat(said["timestamp"]).tzinfo is not None
    assert said["data"] == {
        "grant_id": str(grant.pk),
        "provider": "acme",
        "workload_identity": world.identity.name,
        "agent_id": world.identity.agent_id,
        "user": person(alice),
        "scopes": ["calendar.read"],
        "resources": [],
        "audiences": [],
        "again": False,
    }


def test_a_grant_of_no_agent_says_so(endpoint: WebhookEndpoint, world: World, alice: User) -> None:
    world.identity.agent.delete()
    Grant.objects.create(
        workload_identity=world.identity,
        provider=world.provider,
        user_iss=alice.iss,
        user_sub=alice.sub,
        granted_at=timezone.now(),
        state=Grant.State.LAPSED,
    )

    outbox.announce([happenings.of_consent(again(Grant.objects.get()), again=True)])

    [said] = told()
    assert (said["data"]["agent_id"], said["data"]["again"]) == (None, True)


# Refreshed


def test_a_failing_grant_is_told_of_once_and_once_when_it_works_again(
    endpoint: WebhookEndpoint, world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    for _ in range(3):
        expire(grant)
        world.there.faults.append(Fault.ERROR_500)
        refresh_failing(grant)
    expire(grant)
    grant_refresh(grant=again(grant))

    failed, recovered = told("grant.refresh_failed", "grant.recovered")
    assert failed["type"] == "grant.refresh_failed"
    assert failed["data"]["reason"] == "provider_unavailable"
    assert failed["data"]["final"] is False
    assert (recovered["type"], recovered["data"]["failures"]) == ("grant.recovered", 3)


def test_a_refresh_that_works_is_not_told_of(
    endpoint: WebhookEndpoint, world: World, alice: User, expire: Expire
) -> None:
    expire(grant := world.grant(alice))

    grant_refresh(grant=again(grant))

    assert [one["type"] for one in told()] == ["grant.granted"]


def test_a_providers_refusal_is_told_of_as_the_end_that_it_is(
    endpoint: WebhookEndpoint, world: World, alice: User, expire: Expire
) -> None:
    expire(grant := world.grant(alice))
    world.there.family_of("alice").ended = True

    refresh_failing(grant)

    failed, revoked = told("grant.refresh_failed", "grant.revoked")
    assert (failed["data"]["reason"], failed["data"]["final"]) == ("invalid_grant", True)
    assert (revoked["data"]["by"], revoked["data"]["outcome"]) == (
        "provider",
        "refused_by_provider",
    )
    assert revoked["data"]["grant_id"] == str(grant.pk)


def test_of_what_happens_together_each_is_told_what_it_wants(
    world: World, alice: User, expire: Expire
) -> None:
    endpoint_at(NOWHERE, EventType.REVOKED)
    expire(grant := world.grant(alice))
    world.there.family_of("alice").ended = True

    refresh_failing(grant)

    assert [one["type"] for one in told()] == ["grant.revoked"]


def test_a_grant_that_is_over_since_nobody_knows_is_told_of_as_failed_for_good(
    endpoint: WebhookEndpoint, world: World, alice: User, expire: Expire
) -> None:
    expire(grant := world.grant(alice))
    Grant.objects.update(spending_since=timezone.now() - timedelta(hours=1))

    refresh_failing(grant)

    [failed] = told("grant.refresh_failed", "grant.revoked")
    assert (failed["data"]["reason"], failed["data"]["final"]) == ("unanswered", True)


def test_tokens_that_do_not_open_are_told_of_as_a_failure(
    endpoint: WebhookEndpoint, world: World, alice: User, bob: User
) -> None:
    grant, other = world.grant(alice), world.grant(bob)
    swapped = other.refresh_sealed
    with transaction.atomic():
        held = refreshing.claimable(Grant.objects.with_parties().filter(pk=grant.pk))
        rows = list(held)
        rows[0].refresh_sealed = swapped
        refreshing.claim(rows, grace_s=60, record=renewal.record)

    [failed] = told("grant.refresh_failed")
    assert (failed["data"]["reason"], failed["data"]["final"]) == ("seal_broken", False)
    assert failed["data"]["user"] == person(alice)


@committed
def test_many_that_fail_together_cost_no_query_each(
    endpoint: WebhookEndpoint, world: World, alice: User, bob: User, charlie: User
) -> None:
    grants = [world.grant(each) for each in (alice, bob, charlie)]
    settled = [
        refreshing.Settled(again(grant), refreshing.Lapsed(), failures_before=0) for grant in grants
    ]
    for one in settled:
        one.row.last_failure = "invalid_grant"

    with (
        CaptureQueriesContext(
            connection,
        ) as queries,
        transaction.atomic(),
    ):
        renewal.record(settled)

    asked = [query["sql"] for query in queries if "webhook" in query["sql"]]
    assert len(asked) == 2  # who listens, and all that is told
    assert len(told("grant.revoked")) == len(told("grant.refresh_failed")) == 3


@committed
def test_what_a_worker_finds_ahead_is_told_of(
    endpoint: WebhookEndpoint, world: World, alice: User, bob: User, expire: Expire
) -> None:
    lapsing, failing = world.grant(alice), world.grant(bob)
    world.there.family_of("alice").ended = True
    expire(lapsing)
    refresh_due()
    world.there.faults.append(Fault.TOO_MANY)
    expire(failing)
    refresh_due()

    said = [
        (one["data"]["user"]["sub"], one["data"]["final"]) for one in told("grant.refresh_failed")
    ]
    assert said == [("alice", True), ("bob", False)]


def test_an_answer_that_came_too_late_tells_nothing(
    endpoint: WebhookEndpoint, world: World, alice: User
) -> None:
    grant = again(world.grant(alice))
    late = refreshing.Settled(grant, refreshing.ReconnectNeeded())

    renewal.record([late])

    assert [one["type"] for one in told()] == ["grant.granted"]


# Revoked


def test_a_person_who_disconnects_is_told_of_and_then_what_the_provider_said(
    endpoint: WebhookEndpoint, world: World, alice: User
) -> None:
    grant = world.grant(alice)

    grant_revoke(grant=grant, actor=Actor.person(alice))

    revoked, settled = told("grant.revoked", "grant.revocation_settled")
    assert (revoked["data"]["by"], revoked["data"]["outcome"]) == ("person", "pending")
    assert settled["data"]["outcome"] == "revoked_at_provider"
    assert settled["data"]["grant_id"] == revoked["data"]["grant_id"] == str(grant.pk)


def test_an_admin_and_an_operator_are_told_of_as_administrators(
    endpoint: WebhookEndpoint, world: World, alice: User, bob: User
) -> None:
    grant_revoke(grant=world.grant(alice), actor=ADMIN)
    world.grant(bob)
    holdings_revoke(filters=Filters(subject=bob.subject), actor=Actor("AKIAOPERATOR"))

    said = [(one["data"]["user"]["sub"], one["data"]["by"]) for one in told("grant.revoked")]
    assert said == [("alice", "administrator"), ("bob", "administrator")]


@pytest.mark.parametrize("of", ["agent", "identity", "person", "provider"])
def test_an_end_of_all_access_tells_of_each(
    of: str, endpoint: WebhookEndpoint, world: World, alice: User, bob: User
) -> None:
    world.grant(alice)
    if of != "person":
        world.grant(bob)
    ended: dict[str, cascade.Ended] = {
        "agent": world.identity.agent,
        "identity": world.identity,
        "person": alice,
        "provider": world.provider,
    }
    cascade.access_end(of=ended[of], actor=ADMIN)
    assert not told("grant.revoked")

    cascade.work_off(for_s=10)

    people = {one["data"]["user"]["sub"] for one in told("grant.revoked")}
    assert people == ({"alice"} if of == "person" else {"alice", "bob"})


def test_a_provider_that_is_deleted_tells_of_each(
    endpoint: WebhookEndpoint, world: World, alice: User
) -> None:
    world.grant(alice)

    cascade.provider_end(provider=world.provider, actor=ADMIN)
    cascade.work_off(for_s=10)

    assert len(told("grant.revoked")) == 1


def test_a_workload_identity_that_is_deleted_tells_of_each(
    endpoint: WebhookEndpoint, world: World, alice: User
) -> None:
    world.grant(alice)
    world.identity.agent.delete()

    alone = WorkloadIdentity.objects.get(pk=world.identity.pk)
    cascade.workload_identity_end(identity=alone, actor=ADMIN)

    [revoked] = told("grant.revoked")
    assert revoked["data"]["workload_identity"] == world.identity.name


def test_grants_whose_key_is_lost_are_told_of_with_that_outcome(
    endpoint: WebhookEndpoint, world: World, alice: User, bob: User
) -> None:
    grants = [again(world.grant(each)) for each in (alice, bob)]

    with transaction.atomic():
        grants_write_off(grants=grants, actor=ADMIN)

    outcomes = [one["data"]["outcome"] for one in told("grant.revoked")]
    assert outcomes == ["unreadable", "unreadable"]


def test_a_revocation_that_is_given_up_is_settled_so(
    endpoint: WebhookEndpoint, world: World, alice: User
) -> None:
    world.there.revocation_status = 503
    grant_revoke(grant=world.grant(alice), actor=ADMIN)
    assert not told("grant.revocation_settled")
    long_ago = timezone.now() - revocations.GIVEN_UP_AFTER - timedelta(seconds=1)
    Revocation.objects.update(created_at=long_ago, next_attempt_at=long_ago)

    revocations.attempt_due()

    [settled] = told("grant.revocation_settled")
    assert settled["data"]["outcome"] == "given_up"


# In the very transaction, for whoever wants it, and cheap


def test_what_is_rolled_back_was_never_told(
    endpoint: WebhookEndpoint, world: World, alice: User
) -> None:
    grant = world.grant(alice)
    WebhookDelivery.objects.all().delete()

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        revocations.grant_forget(grant=again(grant), actor=ADMIN)
        assert len(told("grant.revoked")) == 1
        raise ZeroDivisionError

    assert told() == []
    assert Grant.objects.get().state == "live"


def test_without_a_record_nothing_is_told(
    endpoint: WebhookEndpoint, world: World, alice: User
) -> None:
    grant = world.grant(alice)
    WebhookDelivery.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent ADD CONSTRAINT broken CHECK (false) NOT VALID")

    with pytest.raises(AuditUnavailable):
        grant_revoke(grant=grant, actor=ADMIN)

    assert told() == []


def test_where_nobody_listens_it_costs_one_query_and_nothing_is_written(
    world: World, alice: User
) -> None:
    endpoint_at(NOWHERE, enabled=False)
    endpoint_at(NOWHERE, EventType.GRANTED)
    grant = again(world.grant(alice))
    WebhookDelivery.objects.all().delete()

    with CaptureQueriesContext(connection) as queries:
        outbox.announce(
            [happenings.of_revocation(grant, actor=ADMIN, outcome=None) for _ in range(50)]
        )

    assert len(queries) == 1
    assert not WebhookDelivery.objects.exists()


def test_nothing_to_tell_costs_nothing(world: World, alice: User, expire: Expire) -> None:
    settled = [refreshing.Settled(again(world.grant(alice)), failures_before=0)]

    with CaptureQueriesContext(connection) as queries:
        renewal.record(settled)

    assert not [query for query in queries if "webhook" in query["sql"]]


def test_each_endpoint_is_told_of_what_it_wants_under_one_id(world: World, alice: User) -> None:
    every = endpoint_at(NOWHERE)[0]
    granted = endpoint_at(NOWHERE, EventType.GRANTED)[0]
    revoked = endpoint_at(NOWHERE, EventType.REVOKED)[0]
    off = endpoint_at(NOWHERE, enabled=False)[0]

    grant = world.grant(alice)
    grant_revoke(grant=grant, actor=ADMIN)

    def types(of: WebhookEndpoint) -> list[str]:
        rows = WebhookDelivery.objects.filter(endpoint=of).order_by("created_at")
        return list(rows.values_list("event_type", flat=True))

    assert types(granted) == ["grant.granted"]
    assert types(revoked) == ["grant.revoked"]
    assert types(every) == ["grant.granted", "grant.revoked", "grant.revocation_settled"]
    assert types(off) == []
    ids = WebhookDelivery.objects.filter(event_type="grant.granted").values_list("event")
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_no_payload_has_a_token_or_a_secret_in_it(
    endpoint: WebhookEndpoint, world: World, alice: User, expire: Expire
) -> None:
    hidden: set[str] = set()

    def note(grant: Grant) -> None:
        hidden.update(
            token.reveal() for token in (grant.access_token(), grant.refresh_token()) if token
        )

    grant = world.grant(alice)
    note(grant)
    expire(grant)
    world.there.faults.append(Fault.WRONG_CLIENT)
    refresh_failing(grant)
    expire(grant)
    grant_refresh(grant=again(grant))
    note(again(grant))
    grant_revoke(grant=grant, actor=ADMIN)

    payloads = " ".join(WebhookDelivery.objects.values_list("payload", flat=True))
    assert len(told()) == 5
    assert len(hidden) == 4
    assert not [token for token in hidden if token in payloads]
    assert "expired" not in payloads  # the provider's own words


def test_whoever_is_told_of_is_named_as_they_are(endpoint: WebhookEndpoint, world: World) -> None:
    odd = Subject("https://idp.example", 'bøb"\\\u2028')
    grant = Grant(
        workload_identity=world.identity,
        provider=world.provider,
        user_iss=odd.iss,
        user_sub=odd.sub,
        granted_at=timezone.now(),
    )

    outbox.announce([happenings.of_consent(grant, again=False)])

    said: dict[str, Any] = json.loads(WebhookDelivery.objects.get().payload)
    assert said["data"]["user"] == {"iss": odd.iss, "sub": odd.sub}
