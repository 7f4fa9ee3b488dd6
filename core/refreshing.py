"""Spending a refresh token exactly once, whoever asks, wherever, and whatever crashes.

Authorization servers that rotate refresh tokens take a second use of one as theft and revoke the
whole grant. So one process at a time spends it, and a *generation number in the row* decides, not a
lock with a time limit:

1. *Claim*: one UPDATE writes who spends the refresh token of generation N and since when. It is the
   write-ahead mark; it commits before the request leaves.
2. *Spend*: the request, bounded in time. No row lock and no transaction is held meanwhile.
3. *Store*: one UPDATE stores the answer as generation N+1, provided the row still stands at N.

Whoever cannot claim waits for N+1 and takes it. A claim whose owner died, and a request that never
got its answer, leave the mark: the refresh token may have been spent. It is tried once more inside
the grace window that servers give a repeated use; after that the person has to reconnect.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.db.models import Q
from django.utils import timezone

from core import database, oauth
from core.errors import AppError
from core.models.tokens import SealedTokens
from core.secret import Secret

log = logging.getLogger(__name__)

Row = TypeVar("Row", bound=SealedTokens)
Orphaned = Callable[[oauth.Tokens], None]

# A claim older than this has no living owner: the request itself is bounded to 10 s.
ABANDONED_S = 20.0
WAIT_S = 25.0
GRACE_S = 60.0
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


def refresh(
    row: Row,
    *,
    spend: Callable[[Secret], oauth.Tokens],
    orphaned: Orphaned | None = None,
    grace_s: float = GRACE_S,
) -> Row:
    """Return the row at a generation later than `row`'s, refreshed by this call or another's.

    `spend` sends the refresh token and returns the answer. No lock is held while it runs.
    `orphaned` is given an answer that came after the row was revoked, which nobody holds now.

    Raises:
        Lapsed: the server refused the refresh token, or it may be spent and unanswered.
        ReconnectNeeded: the same, found before; or the row was revoked.
        oauth.TryLater, oauth.Unanswered, oauth.Misconfigured: this attempt failed, here or where it
            was waited for; the row keeps what it has and its next attempt is put off.
        StillBusy: somebody else holds the claim and did not finish in time.
    """
    rows = type(row)._default_manager
    if row.failures and row.next_refresh_at and timezone.now() < row.next_refresh_at:
        raise oauth.TryLater(detail=f"put off after {row.last_failure}")
    # Opened before the claim: a mark that nothing was sent after would end the grant.
    token = row.refresh_token()
    if token is None:
        raise ReconnectNeeded
    seen_failures = row.failures
    give_up_at = time.monotonic() + WAIT_S
    pause_s = _POLL_S[0]
    while True:
        claim = _claim(row, grace_s=grace_s)
        if claim is not None:
            return _spend(row, claim, token, spend, orphaned)
        current = rows.get(pk=row.pk)
        if current.generation > row.generation and current.state == SealedTokens.State.LIVE:
            return current
        if current.state != SealedTokens.State.LIVE or current.refresh_sealed is None:
            raise ReconnectNeeded
        if current.failures > seen_failures and current.spending_by is None:
            raise oauth.TryLater(detail=f"another attempt failed: {current.last_failure}")
        if time.monotonic() > give_up_at:
            raise StillBusy
        database.let_go()
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _POLL_S[1])


def _claim(row: SealedTokens, *, grace_s: float) -> uuid.UUID | None:
    """Write the mark for this generation and return its id; None: somebody else's stands."""
    now, claim = timezone.now(), uuid.uuid4()
    at_generation = type(row)._default_manager.filter(
        pk=row.pk,
        generation=row.generation,
        # Whoever waited for an attempt that failed does not make the next one at once.
        failures=row.failures,
        state=SealedTokens.State.LIVE,
        refresh_sealed__isnull=False,
    )
    if at_generation.filter(spending_since=None).update(
        spending_by=claim, spending_since=now, spending_retried=False
    ):
        return claim
    in_doubt = at_generation.filter(spending_since__isnull=False).filter(
        Q(spending_by=None) | Q(spending_since__lt=now - timedelta(seconds=ABANDONED_S))
    )
    # A server known to keep its refresh tokens as they are does not mind a repetition.
    repeatable = Q(rotates=False) | Q(
        spending_retried=False, spending_since__gte=now - timedelta(seconds=grace_s)
    )
    if in_doubt.filter(repeatable).update(
        spending_by=claim, spending_retried=True, spending_since=now
    ):
        log.warning("refresh.retried_in_grace", extra={"row": str(row.pk)})
        return claim
    if in_doubt.exclude(repeatable).update(
        state=SealedTokens.State.LAPSED, last_failure="unanswered", next_refresh_at=None
    ):
        log.warning("refresh.lapsed_in_doubt", extra={"row": str(row.pk)})
        raise Lapsed(detail="unanswered, and the grace window is over")
    return None


def _spend(
    row: Row,
    claim: uuid.UUID,
    token: Secret,
    spend: Callable[[Secret], oauth.Tokens],
    orphaned: Orphaned | None,
) -> Row:
    rows = type(row)._default_manager
    mine = rows.filter(
        pk=row.pk, generation=row.generation, spending_by=claim, state=SealedTokens.State.LIVE
    )
    try:
        answer = spend(token)
    except oauth.GrantRejected as exc:
        ended = mine.update(
            state=SealedTokens.State.LAPSED,
            last_failure=exc.code,
            next_refresh_at=None,
            spending_by=None,
            spending_since=None,
        )
        raise (Lapsed if ended else ReconnectNeeded)(detail=exc.detail) from exc
    except oauth.Unanswered as exc:
        # The mark stays: the token may be spent.
        _put_off(row, claim, exc.code, keep_mark=True)
        raise
    except oauth.TryLater as exc:
        _put_off(row, claim, exc.code, at_least_s=exc.retry_after_s)
        raise
    except oauth.OAuthError as exc:
        _put_off(row, claim, exc.code)
        raise
    rotated = answer.refresh is not None and answer.refresh != token
    stored = mine.update(
        **row.columns_of(answer),
        generation=row.generation + 1,
        rotates=rotated or bool(row.rotates),
        refreshed_at=timezone.now(),
        spending_by=None,
        spending_since=None,
        spending_retried=False,
    )
    current = rows.get(pk=row.pk)
    if not stored:
        log.warning("refresh.lost_the_race", extra={"row": str(row.pk)})
        if current.state == SealedTokens.State.REVOKED and orphaned is not None:
            orphaned(answer)
    if current.state != SealedTokens.State.LIVE:
        raise ReconnectNeeded(detail=f"ended as {current.state} meanwhile")
    return current


def _put_off(
    row: SealedTokens,
    claim: uuid.UUID,
    failure: str,
    *,
    keep_mark: bool = False,
    at_least_s: float | None = None,
) -> None:
    """Release the claim and plan the next attempt: exponential, with full jitter, bounded."""
    first_s, longest_s = _BACKOFF_S
    ceiling_s = min(first_s * 2.0 ** min(row.failures, 10), longest_s)
    delay_s = max(random.uniform(first_s / 2, ceiling_s), at_least_s or 0.0)  # noqa: S311
    marks: dict[str, datetime | None] = {} if keep_mark else {"spending_since": None}
    type(row)._default_manager.filter(pk=row.pk, spending_by=claim).update(
        spending_by=None,
        failures=row.failures + 1,
        last_failure=failure,
        next_refresh_at=timezone.now() + timedelta(seconds=delay_s),
        **marks,
    )
