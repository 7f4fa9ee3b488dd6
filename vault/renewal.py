"""Keeping grants fresh: when one is read, and ahead of their expiry (design section 7).

Both ways go through `core.refreshing`, which sees to it that a refresh token is spent once, whoever
asks. Nothing here holds a row lock or a transaction while a provider is asked.
"""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from core import audit, oauth, refreshing
from core.errors import AppError
from core.models import User
from core.secret import Secret
from vault import revocations
from vault.errors import ProviderUnavailable
from vault.models import Grant
from vault.providers import endpoints_of

log = logging.getLogger(__name__)

BATCH = 100
# Longer than one request may take, so that a batch under way is not begun by a second worker. It is
# a courtesy only: what keeps a refresh token from being spent twice is the claim in the row.
LEASE_S = 30.0
# Requests under way at one provider, and in all, of one process.
_LANES = 4
_THREADS = 16


def grant_refresh(*, grant: Grant) -> Grant:
    """Return `grant` refreshed, by this call or by another's; what came of it is on record.

    Raises:
        refreshing.ReconnectNeeded: the grant is over.
        oauth.OAuthError, refreshing.StillBusy, VaultError: not now; the grant keeps what it has.
    """
    # Whatever may fail before the request leaves is done before the claim.
    endpoint, client = endpoints_of(grant.provider).token, grant.provider.client()
    sent = False

    def spend(token: Secret) -> oauth.Tokens:
        nonlocal sent
        sent = True
        form = {"grant_type": "refresh_token", "refresh_token": token.reveal()}
        return oauth.token_request(endpoint, client=client, form=form)

    def orphaned(tokens: oauth.Tokens) -> None:
        revocations.attempt(revocations.queue(grant, tokens.access, tokens.refresh))

    try:
        fresh = refreshing.refresh(
            grant, spend=spend, orphaned=orphaned, grace_s=grant.provider.refresh_grace_s
        )
    except refreshing.Lapsed as exc:
        _record(grant, outcome="failed", reason=exc.code, failure=exc.detail)
        raise
    except oauth.OAuthError as exc:
        if sent:
            _record(grant, outcome="failed", reason=exc.code, failure=exc.detail)
        raise
    if sent:
        _record(grant, outcome="allowed", generation=fresh.generation)
    return fresh


def refresh_due() -> int:
    """Refresh a batch of what is due, and return how many grants were taken on."""
    due = _take_due()
    by_provider: dict[UUID, list[Grant]] = defaultdict(list)
    for grant in due:
        by_provider[grant.provider_id].append(grant)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="refresh") as threads:
        for grants in by_provider.values():
            brake = _Brake()
            for lane in range(min(_LANES, len(grants))):
                threads.submit(_run_lane, grants[lane::_LANES], brake)
    return len(due)


def _take_due() -> list[Grant]:
    """Return grants that are due, each put off by the lease so that nobody else takes it on."""
    now = timezone.now()
    with transaction.atomic():
        due = list(
            _in_use()
            .select_for_update(of=("self",), no_key=True, skip_locked=True)
            .select_related("provider", "workload_identity__agent")
            .filter(next_refresh_at__lte=now)
            .order_by("next_refresh_at")[:BATCH]
        )
        Grant.objects.filter(pk__in=[grant.pk for grant in due]).update(
            next_refresh_at=now + timedelta(seconds=LEASE_S)
        )
    return due


def _in_use() -> QuerySet[Grant]:
    """Return the live grants of which everybody is switched on; the others wait until they are."""
    switched_off = User.objects.filter(
        iss=OuterRef("user_iss"), sub=OuterRef("user_sub"), is_active=False
    )
    return Grant.objects.filter(
        ~Exists(switched_off),
        state=Grant.State.LIVE,
        provider__enabled=True,
        workload_identity__enabled=True,
    ).exclude(workload_identity__agent__enabled=False)


class _Brake:
    """What stops the lanes at one provider that is busy or away."""

    def __init__(self) -> None:
        self.pause_s: float | None = None

    def pull(self, retry_after_s: float | None) -> None:
        """Let no further request go out, for as long as the provider said, else for a lease."""
        self.pause_s = max(retry_after_s or LEASE_S, self.pause_s or 0.0)


def _run_lane(grants: list[Grant], brake: _Brake) -> None:
    """Refresh `grants` of one provider, one after the other. The boundary: nothing passes it."""
    try:
        for grant in grants:
            if brake.pause_s is None:
                _refresh_one(grant, brake)
            else:
                _put_off(grant, brake.pause_s)
    except Exception:
        log.exception("vault.refresh.lane_failed")
    finally:
        connections.close_all()


def _refresh_one(grant: Grant, brake: _Brake) -> None:
    try:
        grant_refresh(grant=grant)
    except (oauth.TryLater, oauth.Unanswered, ProviderUnavailable) as exc:
        brake.pull(getattr(exc, "retry_after_s", None))
    except AppError as exc:
        log.warning(
            "vault.refresh.failed",
            extra={"grant": str(grant.pk), "reason": exc.code, "detail": exc.detail},
        )


def _put_off(grant: Grant, pause_s: float) -> None:
    delay_s = random.uniform(pause_s, 1.5 * pause_s)  # noqa: S311  (spread, not secrecy)
    Grant.objects.filter(pk=grant.pk, generation=grant.generation, state=Grant.State.LIVE).update(
        next_refresh_at=timezone.now() + timedelta(seconds=delay_s)
    )


def _record(grant: Grant, *, outcome: audit.Outcome, reason: str = "", **detail: object) -> None:
    audit.record(
        audit.Event(
            "vault.refresh",
            outcome=outcome,
            reason=reason,
            subject=grant.subject,
            agent=grant.workload_identity.agent_id,
            workload=grant.workload_identity.name,
            provider=grant.provider.name,
            detail={"grant": str(grant.pk), **detail},
        )
    )
