"""Taking back what workload identities hold: one holding, or all that a filter means."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core.audit import Actor
from vault.ending import revocations
from vault.ending.exchanges import exchanges_forget, token_forget
from vault.ending.revocations import Revoked, grant_forget, grant_revoke
from vault.holdings import listing
from vault.holdings.listing import Filters, Row
from vault.models import Grant, ObtainedToken, Outcome, Revocation

# What one transaction ends without holding up anybody else.
MOST = 100
# The caller waits while providers are told, and not for long; the task tells the others.
_TELLING_S = 10.0


@dataclass(frozen=True, slots=True)
class TakenBack:
    """One holding that is over, and what is known of it at the provider."""

    id: UUID
    outcome: str


def holding_revoke(*, row: Row, actor: Actor) -> Revoked:
    """End one holding here and at the provider. Raises as `grant_revoke`, `exchanges_forget`."""
    if isinstance(row, ObtainedToken):
        return exchanges_forget(row=row, actor=actor)
    return grant_revoke(grant=row, actor=actor)


def holdings_revoke(*, filters: Filters, actor: Actor) -> tuple[list[TakenBack], bool]:
    """End what `filters` means, MOST at a time, and say whether there is more.

    Here all of them are over, in one transaction, before the first provider is told. Those that
    were not told within a few seconds are `provider_away`, and told by the task.

    Raises:
        AuditUnavailable, KeyUnavailable: nothing was changed.
    """
    with transaction.atomic():
        rows = _held(filters.named())
        queued = {row.pk: _forgotten(row, actor) for row in rows[:MOST]}
    outcomes = _told({pk: row for pk, row in queued.items() if row is not None})
    stored = Grant.objects.filter(pk__in=queued).values_list("pk", "revocation_outcome")
    outcomes |= dict(stored)
    taken = [TakenBack(pk, outcomes.get(pk, Outcome.NO_ENDPOINT)) for pk in queued]
    return taken, len(rows) > MOST


def _held(where: Q) -> list[Row]:
    """Return one more than MOST rows, each held until the transaction ends."""
    grants = listing.grants(where).select_for_update(of=("self",), no_key=True)
    rows: list[Row] = list(grants.order_by("pk")[: MOST + 1])
    if left := MOST + 1 - len(rows):
        tokens = listing.obtained(where).select_for_update(of=("self",), no_key=True)
        rows += tokens.order_by("pk")[:left]
    return rows


def _forgotten(row: Row, actor: Actor) -> Revocation | None:
    if isinstance(row, ObtainedToken):
        return token_forget(row=row, actor=actor)
    return grant_forget(grant=row, actor=actor)


def _told(queued: dict[UUID, Revocation]) -> dict[UUID, str]:
    """Tell the providers for a few seconds, and return what came of it."""
    until = time.monotonic() + _TELLING_S
    outcomes = dict.fromkeys(queued, Outcome.PROVIDER_AWAY.value)
    left = list(queued.items())
    while left and time.monotonic() < until:
        pk, row = left.pop()
        outcomes[pk] = revocations.attempt(row).value
    waiting = [row.pk for _pk, row in left]
    Revocation.objects.filter(pk__in=waiting).update(next_attempt_at=timezone.now())
    return outcomes
