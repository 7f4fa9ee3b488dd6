"""Ending tokens at the provider, however long the provider is away.

Tokens that end here are forgotten for use in one transaction with the row that remembers to tell
the provider. The first attempt is made at once, while the person waits; later ones by a task.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from core import audit
from core.audit import Actor
from core.errors import AppError
from core.key_errors import KeyMissing, SealBroken
from core.secret import Secret
from vault.errors import GrantUnknown
from vault.models import ConsentSession, Grant, ObtainedToken, Outcome, Revocation
from vault.providers.endpoints import endpoints_of
from vault.vendors.ending import Ending
from vault.webhooks import happenings, outbox

log = logging.getLogger(__name__)

_TIMEOUT_S = 5.0
_LEASE_S = 60.0
_BACKOFF_S = (30.0, 6 * 3600.0)
GIVEN_UP_AFTER = timedelta(days=3)
_BATCH = 10
_END_BATCH = 100
# Tokens under a key that is missing are lost with the access; KMS that is away is waited for.
LOST = (KeyMissing, SealBroken)
# What is left of a grant that has ended.
_ENDED: dict[str, Any] = {
    "state": Grant.State.REVOKED,
    "access_sealed": None,
    "refresh_sealed": None,
    "next_refresh_at": None,
    "spending_by": None,
    "spending_since": None,
}


@dataclass(frozen=True, slots=True)
class Revoked:
    """How a disconnection went. Here the access is over in every case."""

    outcome: Outcome
    provider_name: str
    account_url: str


def grant_revoke(*, grant: Grant, actor: Actor) -> Revoked:
    """Forget `grant` for use, and end it at the provider; say how that went.

    `actor` is who takes it back: the person, or an admin. The record is stored with the change.

    Raises:
        GrantUnknown: it was taken back before.
        AuditUnavailable: nothing was changed.
    """
    with transaction.atomic():
        held = (
            Grant.objects.held()
            .select_for_update(of=("self",), no_key=True)
            .select_related("workload_identity", "provider")
            .filter(pk=grant.pk)
            .first()
        )
        if held is None:
            raise GrantUnknown
        queued = grant_forget(grant=held, actor=actor)
    outcome = Outcome(held.revocation_outcome) if queued is None else attempt(queued)
    return Revoked(outcome, held.provider.display_name, held.provider.account_page)


def grants_revoke(*, grants: Sequence[UUID], actor: Actor) -> int:
    """End these grants here, on record; workers tell the providers. Return how many were held.

    A batch is a transaction: where one fails, those before it are over.

    Raises:
        AuditUnavailable, KeyUnavailable: the rest was not changed.
    """
    ended = 0
    for at in range(0, len(grants), _END_BATCH):
        with transaction.atomic():
            held = (
                Grant.objects.held()
                .select_for_update(of=("self",), no_key=True)
                .select_related("workload_identity", "provider")
                .filter(pk__in=grants[at : at + _END_BATCH])
                .order_by("pk")
            )
            queued = [grant_forget(grant=grant, actor=actor) for grant in held]
            # Nobody waits for the first attempt, so it is the workers'.
            told = Revocation.objects.filter(pk__in=[row.pk for row in queued if row is not None])
            told.update(next_attempt_at=timezone.now())
            ended += len(queued)
    return ended


def grant_forget(
    *, grant: Grant, actor: Actor, lost: tuple[type[AppError], ...] = LOST
) -> Revocation | None:
    """End `grant` here, on record, and return what is left to tell the provider.

    `lost` are the errors that mean that its tokens will never open again: nobody can tell the
    provider, and None is returned. `grant` says what is known of that so far. Runs in the
    transaction in which the caller holds the row.

    Raises:
        KeyUnavailable: its tokens do not open now. Nothing was changed but the record, which the
            caller's transaction takes back.
    """
    audit.record(_taken_back(grant, actor))
    outcome = Outcome.NO_ENDPOINT
    access = refresh = None
    try:
        access, refresh = grant.access_token(), grant.refresh_token()
    except lost:
        outcome = Outcome.UNREADABLE
    grant.revocation_outcome = outcome
    Grant.objects.filter(pk=grant.pk).update(
        **_ENDED,
        revoked_at=timezone.now(),
        revoked_by="" if actor.subject == grant.subject else actor.name[:255],
        revocation_outcome=outcome,
    )
    queued = None if access is None else queue(grant, access, refresh)
    told = outcome if queued is None else None
    outbox.announce([happenings.of_revocation(grant, actor=actor, outcome=told)])
    return queued


def grants_write_off(*, grants: Sequence[Grant], actor: Actor) -> None:
    """End `grants` here, on record, whose tokens open no more, so that nobody can be told of them.

    Two statements for all. Runs in the transaction in which the caller holds the rows.

    Raises:
        AuditUnavailable: nothing was changed.
    """
    audit.record_all(_taken_back(grant, actor) for grant in grants)
    Grant.objects.filter(pk__in=[grant.pk for grant in grants]).update(
        **_ENDED,
        revoked_at=timezone.now(),
        revoked_by=actor.name[:255],
        revocation_outcome=Outcome.UNREADABLE,
    )
    outbox.announce(
        [
            happenings.of_revocation(grant, actor=actor, outcome=Outcome.UNREADABLE)
            for grant in grants
        ]
    )


def queue(
    owner: Grant | ConsentSession | ObtainedToken, access: Secret, refresh: Secret | None
) -> Revocation:
    """Return the stored row that remembers to end these tokens, which were those of `owner`."""
    row = Revocation(
        provider=owner.provider,
        grant_id=_waiting(owner),
        workload_name=owner.workload_identity.name,
        user_iss=owner.user_iss,
        user_sub=owner.user_sub,
        # Whoever queues also makes the first attempt; the task steps in only if they do not.
        next_attempt_at=timezone.now() + timedelta(seconds=_LEASE_S),
    )
    row.seal_tokens(access, refresh)
    row.save(force_insert=True)
    return row


def _waiting(owner: Grant | ConsentSession | ObtainedToken) -> UUID | None:
    """Return the key of `owner` if it is a revoked grant, which from now on waits to be told."""
    if not isinstance(owner, Grant):
        return None
    # A grant may be gone whose tokens come from a refresh that was under way.
    kept = Grant.objects.filter(pk=owner.pk, state=Grant.State.REVOKED)
    return owner.pk if kept.update(revocation_outcome=Outcome.PROVIDER_AWAY) else None


def attempt(row: Revocation) -> Outcome:
    """Tell the provider that the tokens of `row` end. Done, or given up on, the row goes."""
    try:
        outcome = _tell(row)
    except AppError as exc:
        log.warning("vault.revocation.failed", extra={"reason": exc.code, "detail": exc.detail})
        if timezone.now() - row.created_at > GIVEN_UP_AFTER:
            return _finish(row, Outcome.GIVEN_UP, reason=exc.code)
        _put_off(row)
        return Outcome.PROVIDER_AWAY
    return _finish(row, outcome, reason="no_endpoint" if outcome == Outcome.NO_ENDPOINT else "")


def _tell(row: Revocation) -> Outcome:
    """Say that the tokens end, in the way of the provider's vendor."""
    endpoint = endpoints_of(row.provider).revocation
    if endpoint is None:
        return Outcome.NO_ENDPOINT
    told = row.provider.traits.ends(
        Ending(
            endpoint=endpoint,
            client=row.provider.client(),
            access=row.access_token(),
            refresh=row.refresh_token(),
            timeout_s=_TIMEOUT_S,
        )
    )
    return Outcome.REVOKED_AT_PROVIDER if told else Outcome.NO_ENDPOINT


def attempt_due(*, for_s: float = 0.0) -> int:
    """Make attempts that are due, and go on for so long; return how many were made.

    Workers that do this at once have different ones. A provider that could not be told is left
    alone for the rest of the time: it is not to keep the others waiting, once for each token.
    """
    until = time.monotonic() + for_s
    away: set[UUID] = set()
    made = 0
    while rows := _claimed(besides=away):
        for row in rows:
            if row.provider_id not in away:
                made += 1
                if attempt(row) == Outcome.PROVIDER_AWAY:
                    away.add(row.provider_id)
        if time.monotonic() >= until:
            break
    return made


def _claimed(*, besides: Collection[UUID]) -> list[Revocation]:
    """Return some that are due, not to be had by others until the lease is over."""
    now = timezone.now()
    with transaction.atomic():
        rows = list(
            Revocation.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            .select_related("provider")
            .filter(next_attempt_at__lte=now)
            .exclude(provider__in=besides)
            .order_by("next_attempt_at")[:_BATCH]
        )
        Revocation.objects.filter(pk__in=[row.pk for row in rows]).update(
            next_attempt_at=now + timedelta(seconds=_LEASE_S)
        )
    return rows


def _finish(row: Revocation, outcome: Outcome, *, reason: str = "") -> Outcome:
    with transaction.atomic():
        audit.record(
            audit.Event(
                "vault.revocation",
                outcome="failed" if reason else "allowed",
                reason=reason,
                subject=row.subject,
                workload=row.workload_name,
                provider=row.provider.name,
                detail={"attempts": row.attempts + 1},
            )
        )
        Revocation.objects.filter(pk=row.pk).delete()
        _tell_grant(row, outcome)
    return outcome


def _tell_grant(row: Revocation, outcome: Outcome) -> None:
    """Keep what came of it on the grant, once nothing of it is left to tell or one was given up."""
    if row.grant_id is None:
        return
    left = Revocation.objects.filter(grant=row.grant_id)
    if outcome == Outcome.GIVEN_UP or not left.exists():
        outcomes_settle(grants=[row.grant_id], outcome=outcome)


def outcomes_settle(*, grants: Sequence[UUID], outcome: Outcome) -> None:
    """Keep `outcome` on those of `grants` whose provider was still to be told, and tell of it.

    Runs in the caller's transaction.
    """
    waiting = (
        Grant.objects.select_related("workload_identity__agent", "provider")
        .filter(pk__in=grants, revocation_outcome=Outcome.PROVIDER_AWAY)
        .select_for_update(of=("self",), no_key=True)
        .order_by("pk")
    )
    settled = list(waiting)
    if settled:
        held = Grant.objects.filter(pk__in=[grant.pk for grant in settled])
        held.update(revocation_outcome=outcome)
    outbox.announce([happenings.of_settlement(grant, outcome=outcome) for grant in settled])


def _put_off(row: Revocation) -> None:
    first_s, longest_s = _BACKOFF_S
    ceiling_s = min(first_s * 2.0 ** min(row.attempts, 16), longest_s)
    delay_s = random.uniform(first_s / 2, ceiling_s)  # noqa: S311  (spread, not secrecy)
    Revocation.objects.filter(pk=row.pk).update(
        attempts=row.attempts + 1, next_attempt_at=timezone.now() + timedelta(seconds=delay_s)
    )


def _taken_back(grant: Grant, actor: Actor) -> audit.Event:
    return taken_back(grant, actor, grant=str(grant.pk), scopes=grant.scopes)


def taken_back(row: Grant | ObtainedToken, actor: Actor, **detail: object) -> audit.Event:
    """Return the event that `actor` ended what `row` held; a program is nobody's `(iss, sub)`."""
    by = {"by": [actor.subject.iss, actor.subject.sub]} if actor.subject else {}
    return audit.Event(
        "vault.grant.revoked",
        actor=actor.name,
        subject=row.subject,
        agent=row.workload_identity.agent_id,
        workload=row.workload_identity.name,
        provider=row.provider.name,
        detail={**detail, **by},
    )
