"""Sending what is due, several at once, and keeping what came of each.

A row is claimed with SKIP LOCKED in a transaction that commits before anything is sent: who sends
it, and until when nobody else does. So no lock is held meanwhile, any number of workers may be at
it, and what a worker that died had claimed is sent again later, with the same id: at least once,
in no particular order. Receivers have lanes of their own, so that a slow one holds up no other.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from core import audit, lanes
from core.database import on_thread
from core.errors import AppError
from core.lanes import GoesOn
from vault.models import TEST_EVENT, WebhookDelivery, WebhookEndpoint
from vault.webhooks import sending
from vault.webhooks.sending import Answer, Message

log = logging.getLogger(__name__)

# After the first, fifth, ... attempt that failed: three days in all. Jitter only adds to it.
DELAYS_S = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 72000.0)
_JITTER = 0.1
# An endpoint that accepted nothing for as long as one event is tried is switched off.
FAILING_FOR = timedelta(seconds=sum(DELAYS_S))
# Longer than an attempt can take: a claim older than this has no living owner.
LEASE_S = 60.0
_AT_ONCE = 8  # for an endpoint, in a process
_MOST_LANES = 32
_ENDED_AT_ONCE = _FORGOTTEN_AT_ONCE = 1000
KEPT_FOR = timedelta(days=30)
# For how long an endpoint is left alone that is away, and says nothing of when to come back.
_REST_S = (10.0, 30.0)
SWITCHED_OFF = "webhook_switched_off"
_ACTOR = "deliver_webhooks"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send a delivery, as it stood when it was claimed, until its lease is over."""

    delivery: WebhookDelivery
    by: UUID


def deliver_due(*, for_s: float, stopping: threading.Event | None = None) -> int:
    """Send what is due, and return how many attempts were made. Ends as `lanes.serve`."""
    return lanes.serve(
        _endpoints_with_due, _serve, for_s=for_s, stopping=stopping, most=_MOST_LANES
    )


async def _serve(endpoint_id: UUID, goes_on: GoesOn) -> int:
    """Send what is due at one endpoint, and return how many attempts that took. The boundary."""
    made = 0
    try:
        while goes_on():
            claims = await on_thread(partial(_claim, endpoint_id), _AT_ONCE)
            if not claims:
                break
            made += len(claims)
            await asyncio.gather(*(_deliver(claim) for claim in claims))
    except Exception:
        log.exception("vault.webhook.lane_failed", extra={"webhook": str(endpoint_id)})
    return made


async def _deliver(claim: Claim) -> None:
    """Send one delivery, and keep what came of it. Nothing passes: the others go on."""
    try:
        answer = await _answer_to(claim)
        await on_thread(partial(settle, claim), answer)
    except Exception:
        # The claim stays until its lease is over, as after a crash.
        log.exception("vault.webhook.failed", extra={"delivery": str(claim.delivery.pk)})


async def _answer_to(claim: Claim) -> Answer:
    try:
        message = await on_thread(Message.of, claim.delivery)
    except AppError as exc:  # the secret does not open, so nothing can be signed
        return Answer(failure=exc.code, is_away=True)
    return await sending.send(message)


def _endpoints_with_due(at: datetime) -> list[UUID]:
    """Return endpoints that may be sent to now, and those that are off, with something due."""
    due = WebhookDelivery.objects.filter(
        endpoint=OuterRef("pk"), state=WebhookDelivery.State.WAITING, next_attempt_at__lte=at
    )
    open_now = Q(not_before=None) | Q(not_before__lte=at) | Q(enabled=False)
    found = WebhookEndpoint.objects.filter(open_now, Exists(due)).order_by("?")
    return list(found.values_list("pk", flat=True)[:_MOST_LANES])


def _claim(endpoint_id: UUID, most: int) -> list[Claim]:
    """Return claims on deliveries that are due at one endpoint, committed.

    Those of an endpoint that was switched off are over instead.
    """
    now, by = timezone.now(), uuid.uuid4()
    with transaction.atomic(durable=True):
        endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id).first()
        if endpoint is None:
            return []
        due = WebhookDelivery.objects.select_for_update(
            of=("self",), no_key=True, skip_locked=True
        ).filter(endpoint=endpoint, state=WebhookDelivery.State.WAITING, next_attempt_at__lte=now)
        if not endpoint.enabled:
            _end_all(due)
            return []
        if endpoint.not_before is not None and endpoint.not_before > now:
            return []
        rows = list(due.order_by("next_attempt_at")[:most])
        WebhookDelivery.objects.filter(pk__in=[row.pk for row in rows]).update(
            claimed_by=by,
            attempts=F("attempts") + 1,
            last_attempt_at=now,
            next_attempt_at=now + timedelta(seconds=LEASE_S),
        )
    for row in rows:
        row.attempts += 1
        row.endpoint = endpoint
    return [Claim(row, by) for row in rows]


def _end_all(due: QuerySet[WebhookDelivery]) -> None:
    some = [row.pk for row in due[:_ENDED_AT_ONCE]]
    WebhookDelivery.objects.filter(pk__in=some).update(
        state=WebhookDelivery.State.FAILED,
        failure=SWITCHED_OFF,
        next_attempt_at=None,
        claimed_by=None,
    )


def settle(claim: Claim, answer: Answer) -> None:
    """Keep what came of an attempt, unless its lease was over and another process has it."""
    row, now = claim.delivery, timezone.now()
    with transaction.atomic():
        # Before the delivery, as who deletes the endpoint does.
        endpoint = (
            WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True)
            .filter(pk=row.endpoint_id)
            .first()
        )
        mine = WebhookDelivery.objects.filter(pk=row.pk, claimed_by=claim.by)
        if endpoint is None or not mine.update(**_columns_after(row, answer, at=now)):
            return
        if row.event_type != TEST_EVENT:
            _learn(endpoint, answer, at=now)
    if answer.failure:
        said = {"webhook": str(endpoint.pk), "delivery": str(row.pk), "attempt": row.attempts}
        found = {"reason": answer.failure, "status": answer.status}
        log.warning("vault.webhook.not_accepted", extra=said | found)


def _columns_after(row: WebhookDelivery, answer: Answer, *, at: datetime) -> dict[str, Any]:
    columns = {
        "claimed_by": None,
        "response_status": answer.status,
        "failure": answer.failure,
        "next_attempt_at": None,
    }
    if not answer.failure:
        return {**columns, "state": WebhookDelivery.State.ACCEPTED}
    if answer.is_gone or row.event_type == TEST_EVENT or row.attempts > len(DELAYS_S):
        return {**columns, "state": WebhookDelivery.State.FAILED}
    planned_s = DELAYS_S[row.attempts - 1]
    planned_s += random.uniform(0.0, planned_s * _JITTER)  # noqa: S311  (spread, not secrecy)
    delay_s = max(planned_s, answer.retry_after_s or 0.0)
    return {**columns, "next_attempt_at": at + timedelta(seconds=delay_s)}


def _learn(endpoint: WebhookEndpoint, answer: Answer, *, at: datetime) -> None:
    """Keep what an attempt tells of the endpoint, and switch it off where it is not there."""
    if not answer.failure:
        # Others that were under way may have been told to wait; that stands.
        changes: dict[str, Any] = {"last_accepted_at": at, "failing_since": None}
    else:
        since = endpoint.failing_since or at
        changes = {"failing_since": since}
        if answer.is_away:
            rest_s = random.uniform(*_REST_S)  # noqa: S311  (spread, not secrecy)
            rest_s = max(rest_s, answer.retry_after_s or 0.0)
            until = at + timedelta(seconds=rest_s)
            changes["not_before"] = max(until, endpoint.not_before or until)
        ended = _end_of(answer, failing_for=at - since)
        if ended and endpoint.enabled:
            changes |= {"enabled": False, "ended": ended}
            _record_end(endpoint, ended)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**changes)


def _end_of(answer: Answer, *, failing_for: timedelta) -> WebhookEndpoint.Ended | None:
    if answer.is_gone:
        return WebhookEndpoint.Ended.GONE
    return WebhookEndpoint.Ended.FAILING if failing_for >= FAILING_FOR else None


def _record_end(endpoint: WebhookEndpoint, ended: WebhookEndpoint.Ended) -> None:
    audit.record(
        audit.Event(
            "vault.webhook.switched_off",
            actor=_ACTOR,
            reason=ended.value,
            detail={"webhook": str(endpoint.pk), "host": endpoint.host},
        )
    )


def forget_old(*, at: datetime) -> int:
    """Delete deliveries of long ago, erase secrets that sign no more; return how many went."""
    WebhookEndpoint.objects.filter(previous_until__lte=at).update(
        previous_secret_sealed=None, previous_until=None
    )
    old = WebhookDelivery.objects.filter(created_at__lt=at - KEPT_FOR)
    gone = 0
    while some := list(old.values_list("pk", flat=True)[:_FORGOTTEN_AT_ONCE]):
        gone += WebhookDelivery.objects.filter(pk__in=some).delete()[0]
    return gone
