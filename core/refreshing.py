"""Spending a refresh token exactly once, whoever asks, wherever, and whatever crashes.

Authorization servers that rotate refresh tokens take a second use of one as theft and revoke the
whole grant. So one process at a time spends it, and a *generation number in the row* decides, not a
lock with a time limit:

1. *Claim*: one UPDATE writes who spends the refresh token of generation N and since when. It is the
   write-ahead mark; it commits before the request leaves.
2. *Spend*: the request, bounded in time. No row lock and no transaction is held meanwhile.
3. *Settle*: one UPDATE stores the answer as generation N+1, provided the row still stands at N.

`claim` and `settle` take any number of rows: a background run claims many at once and settles what
comes in together, a reader (`refresh`) has one.

Whoever cannot claim waits for N+1 and takes it. A claim whose owner died, and a request that never
got its answer, leave the mark: the refresh token may have been spent. It is tried once more inside
the grace window that servers give a repeated use; after that the person has to reconnect.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db import transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.utils import timezone

from core import database, fenced, oauth
from core.errors import AppError
from core.models.tokens import SealedTokens
from core.secret import Secret

log = logging.getLogger(__name__)

Row = TypeVar("Row", bound=SealedTokens)

# A claim older than this has no living owner: the request itself is bounded to 10 s.
ABANDONED_S = 20.0
WAIT_S = 25.0
GRACE_S = 60.0
# How long a request may be on its way before the server looks at its refresh token. A repetition
# leaves so much before the grace is over.
ON_ITS_WAY_S = 10.0
_POLL_S = (0.02, 0.25)
_BACKOFF_S = (5.0, 900.0)


class ReconnectNeeded(AppError):
    """The grant is over, or may be; only the person can renew it."""

    code = "reconnect_needed"
    status = 403
    aws = "AccessDeniedException"


class Lapsed(ReconnectNeeded):
    """The grant was found to be over by this very call; who finds it so later is not told this."""


class StillBusy(AppError):
    """Another process has been refreshing for too long; nothing is known to be wrong."""

    code = "refresh_busy"
    status = 503
    aws = "InternalServerException"


@dataclass(frozen=True, slots=True)
class Claim(Generic[Row]):
    """The right to spend `token`, the refresh token of `row` as it stood before the mark, once."""

    row: Row
    by: uuid.UUID
    token: Secret


@dataclass(frozen=True, slots=True)
class Spent(Generic[Row]):
    """A claim and what the server said to it."""

    claim: Claim[Row]
    answer: oauth.Tokens | oauth.OAuthError


@dataclass(frozen=True, slots=True)
class Settled(Generic[Row]):
    """What became of one row. Without a `failure` it has tokens of a later generation.

    `orphan` is what the provider gave although the row was revoked meanwhile: nobody holds it, and
    somebody has to tell the provider. `failures_before` says how often in a row it had failed until
    now; None: this call changed nothing in the row.
    """

    row: Row
    failure: AppError | None = None
    orphan: oauth.Tokens | None = None
    failures_before: int | None = None


# Called in the transaction that changes the rows, which it can so prevent.
Record = Callable[[Sequence[Settled[Row]]], object]


def refresh(
    row: Row,
    *,
    among: QuerySet[Row],
    spend: Callable[[Secret], oauth.Tokens],
    record: Record[Row],
    grace_s: float = GRACE_S,
) -> Row:
    """Return the row at a generation later than `row`'s, refreshed by this call or another's.

    `among` is where the row stands, with what `record` and sealing want loaded. `spend` sends the
    refresh token and returns the answer. No lock is held while it runs.

    Raises:
        Lapsed: the server refused the refresh token, or it may be spent and unanswered.
        ReconnectNeeded: the same, found before; or the row was revoked.
        oauth.TryLater, oauth.Unanswered, oauth.Misconfigured: this attempt failed, here or where it
            was waited for; the row keeps what it has and its next attempt is put off.
        StillBusy: somebody else holds the claim and did not finish in time.
    """
    if row.failures and row.next_refresh_at and timezone.now() < row.next_refresh_at:
        raise oauth.TryLater(detail=f"put off after {row.last_failure}")
    if row.refresh_token() is None:
        raise ReconnectNeeded
    # Whoever waited for an attempt that failed does not make the next one at once.
    as_seen = among.filter(pk=row.pk, generation=row.generation, failures=row.failures)
    give_up_at = time.monotonic() + WAIT_S
    pause_s = _POLL_S[0]
    while True:
        with transaction.atomic(durable=True):
            claims, ended = claim(claimable(as_seen), grace_s=grace_s, record=record)
        if ended:
            raise ended[0].failure or ReconnectNeeded()
        if claims:
            return _spend(claims[0], spend, record)
        current = among.filter(pk=row.pk).first()
        if current is None or current.state != SealedTokens.State.LIVE:
            raise ReconnectNeeded
        if current.generation > row.generation:
            return current
        if current.refresh_sealed is None:
            raise ReconnectNeeded
        if current.failures > row.failures and current.spending_by is None:
            raise oauth.TryLater(detail=f"another attempt failed: {current.last_failure}")
        if time.monotonic() > give_up_at:
            raise StillBusy
        database.let_go()
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _POLL_S[1])


def _spend(
    claimed: Claim[Row], spend: Callable[[Secret], oauth.Tokens], record: Record[Row]
) -> Row:
    answer: oauth.Tokens | oauth.OAuthError
    try:
        answer = spend(claimed.token)
    except oauth.OAuthError as exc:
        answer = exc
    [settled] = settle([Spent(claimed, answer)], record=record)
    if settled.failure is not None:
        raise settled.failure
    return settled.row


def claimable(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return those of `rows` that nobody spends now, each held until the transaction ends.

    Those that somebody else holds are passed over.
    """
    abandoned = timezone.now() - timedelta(seconds=ABANDONED_S)
    return rows.filter(
        Q(spending_by=None) | Q(spending_since__lt=abandoned),
        state=SealedTokens.State.LIVE,
        refresh_sealed__isnull=False,
    ).select_for_update(of=("self",), no_key=True, skip_locked=True)


def claim(
    held: Iterable[Row], *, grace_s: float, record: Record[Row]
) -> tuple[list[Claim[Row]], list[Settled[Row]]]:
    """Mark rows of `claimable`, and return the claims and what ended or failed instead.

    The mark stands once the caller's transaction is committed, and nothing may be sent before. A
    row whose refresh token does not open is not marked: nothing was sent.
    """
    now, by = timezone.now(), uuid.uuid4()
    in_grace = now - timedelta(seconds=grace_s - ON_ITS_WAY_S)
    claims: list[Claim[Row]] = []
    ended: list[Settled[Row]] = []
    changes: list[fenced.Change] = []
    for row in held:
        doubt_since = row.spending_since
        # A server known to keep its refresh tokens as they are does not mind a repetition.
        if doubt_since is None or row.rotates is False:
            repeatable = True
        else:
            repeatable = not row.spending_retried and doubt_since >= in_grace
        if not repeatable:
            failure: AppError = Lapsed(detail="unanswered, and the grace window is over")
            ended.append(_ended(row, failure, _lapsed("unanswered"), changes))
            log.warning("refresh.lapsed_in_doubt", extra={"row": str(row.pk)})
            continue
        try:
            token = row.refresh_token()
        except AppError as exc:
            ended.append(_ended(row, exc, _put_off(row, exc.code), changes))
            continue
        if token is not None:
            claims.append(Claim(row, by, token))
        if doubt_since is not None:
            log.warning("refresh.retried_in_grace", extra={"row": str(row.pk)})
    _mark(claims, by=by, since=now)
    if changes:
        fenced.update_each(type(ended[0].row), changes)
        record(ended)
    return claims, ended


def _ended(
    row: Row, failure: AppError, columns: dict[str, Any], changes: list[fenced.Change]
) -> Settled[Row]:
    """Return a row that was not claimed as it will be stored, its change added to `changes`."""
    changes.append(_change(row, columns))
    before = row.failures
    for name, value in columns.items():
        setattr(row, name, value)
    return Settled(row, failure, failures_before=before)


def _mark(claims: Sequence[Claim[Row]], *, by: uuid.UUID, since: datetime) -> None:
    if claims:
        rows = type(claims[0].row)._default_manager.filter(pk__in=[c.row.pk for c in claims])
        in_doubt = Case(When(spending_since=None, then=Value(False)), default=Value(True))
        rows.update(spending_by=by, spending_since=since, spending_retried=in_doubt)


def settle(spent: Sequence[Spent[Row]], *, record: Record[Row]) -> list[Settled[Row]]:
    """Store what was answered, all of it in one transaction, and return what became of each row.

    An answer is stored only where its claim still stands, at the generation that was claimed.
    """
    model = type(spent[0].claim.row)
    changes = {one.claim.row.pk: _columns_after(one) for one in spent}
    with transaction.atomic():
        stored = fenced.update_each(
            model,
            [
                _change(one.claim.row, changes[one.claim.row.pk], spending_by=one.claim.by)
                for one in spent
            ],
        )
        lost = [one.claim.row.pk for one in spent if one.claim.row.pk not in stored]
        others = model._default_manager.in_bulk(lost) if lost else {}
        settled = [
            _kept(one, changes[one.claim.row.pk])
            if one.claim.row.pk in stored
            else _lost(one, others.get(one.claim.row.pk))
            for one in spent
        ]
        record(settled)
    return settled


def _change(row: SealedTokens, columns: dict[str, Any], **seen: Any) -> fenced.Change:
    seen |= {"generation": row.generation, "state": SealedTokens.State.LIVE}
    return fenced.Change(row.pk, seen, columns)


def _columns_after(one: Spent[Row]) -> dict[str, Any]:
    """Return the columns that an answer leads to."""
    row, answer = one.claim.row, one.answer
    unmarked = {"spending_by": None, "spending_since": None, "spending_retried": False}
    if isinstance(answer, oauth.Tokens):
        rotated = answer.refresh is not None and answer.refresh != one.claim.token
        return {
            **row.columns_of(answer),
            "generation": row.generation + 1,
            "rotates": rotated or bool(row.rotates),
            "refreshed_at": timezone.now(),
            **unmarked,
        }
    if isinstance(answer, oauth.GrantRejected):
        return {**_lapsed(answer.code), **unmarked}
    if isinstance(answer, oauth.Unanswered):
        # The mark stays: the token may be spent. However often it failed before, a repetition has
        # to come within the grace.
        return {**_put_off(row, answer.code, longest_s=_BACKOFF_S[0]), "spending_by": None}
    # Nothing was done with this request. What an earlier one left in doubt is still in doubt.
    return {
        **_put_off(row, answer.code, at_least_s=answer.retry_after_s),
        "spending_by": None,
        "spending_since": row.spending_since,
        "spending_retried": row.spending_retried,
    }


def _lapsed(failure: str) -> dict[str, Any]:
    return {
        "state": SealedTokens.State.LAPSED,
        "last_failure": failure,
        "next_refresh_at": None,
    }


def _put_off(
    row: SealedTokens,
    failure: str,
    *,
    at_least_s: float | None = None,
    longest_s: float | None = None,
) -> dict[str, Any]:
    """Return the columns that plan the next attempt: exponential, with full jitter, bounded."""
    first_s = _BACKOFF_S[0]
    ceiling_s = min(first_s * 2.0 ** min(row.failures, 10), longest_s or _BACKOFF_S[1])
    delay_s = max(random.uniform(first_s / 2, ceiling_s), at_least_s or 0.0)  # noqa: S311
    return {
        "failures": row.failures + 1,
        "last_failure": failure,
        "next_refresh_at": timezone.now() + timedelta(seconds=delay_s),
    }


def _kept(one: Spent[Row], columns: dict[str, Any]) -> Settled[Row]:
    """Return the row as it was stored."""
    row, answer, before = one.claim.row, one.answer, one.claim.row.failures
    for name, value in columns.items():
        setattr(row, name, value)
    failure: AppError | None = None
    if isinstance(answer, oauth.GrantRejected):
        failure = Lapsed(detail=answer.detail)
    elif isinstance(answer, oauth.OAuthError):
        failure = answer
    return Settled(row, failure, failures_before=before)


def _lost(one: Spent[Row], current: Row | None) -> Settled[Row]:
    """Return what became of a row that was no longer this claim's when its answer came."""
    row, answer = one.claim.row, one.answer
    log.warning("refresh.lost_the_race", extra={"row": str(row.pk)})
    if isinstance(answer, oauth.OAuthError) and not isinstance(answer, oauth.GrantRejected):
        return Settled(current or row, answer)
    state = "deleted" if current is None else current.state
    if current is not None and state == SealedTokens.State.LIVE:
        later = current.generation > row.generation
        return Settled(current, None if later else StillBusy(detail="taken over meanwhile"))
    given = answer if isinstance(answer, oauth.Tokens) else None
    return Settled(
        current or row,
        ReconnectNeeded(detail=f"ended as {state} meanwhile"),
        orphan=given if state != SealedTokens.State.LAPSED else None,
    )
