"""Forgetting what was sealed under a KMS key that is gone, batch by batch.

A reset orders it with one row; workers carry it out. What is lost is told by the data key that a
value names, so what is stored meanwhile under a new one is never touched, and a worker that is
killed leaves what was committed with the last batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from core import crypto, data_keys, rotation, sealed_columns
from core.audit import Actor
from core.key_errors import KeyMissing, KeyUnavailable, SealBroken
from core.models import DataKey, TokenVault
from core.sealed_columns import SealedTable
from vault.ending import exchanges, revocations
from vault.flows import sessions
from vault.models import ConsentSession, Grant, ObtainedToken, Outcome, Revocation

_LOST = (KeyMissing, KeyUnavailable, SealBroken)
_REASON = "key_deleted"
# Until no process seals under the lost key any more, and what it sealed is stored.
SETTLE = timedelta(seconds=rotation.SETTLE_S)


def forget_lost(*, for_s: float) -> int:
    """Forget what a deleted KMS key took with it, for so long, and return how many rows those were.

    Providers are told of the tokens that this process can still open. Workers that do this at once
    wait for nobody: one works, the others return.

    Raises:
        AuditUnavailable: the batch under way was taken back.
    """
    until = time.monotonic() + for_s
    forgotten = 0
    for vault in TokenVault.objects.exclude(lost_key_arn=""):
        lost = DataKey.objects.filter(purpose=DataKey.Purpose.VAULT, kek_id=vault.lost_key_arn)
        keys = {key_id: _opens(key_id) for key_id in lost.values_list("pk", flat=True)}
        for model, forget in _FORGET.items():
            table = sealed_columns.table_of(model)
            for batch in table.batches(table.rows_under(keys)):
                if time.monotonic() >= until:
                    return forgotten
                done = _batch(vault, table, [row.pk for row in batch], keys, forget)
                if done is None:
                    return forgotten
                forgotten += done
        if not forgotten:
            _finish(vault)
    return forgotten


def _opens(key_id: UUID) -> bool:
    """Say whether this process has the data key opened still."""
    try:
        data_keys.opened.for_opening(key_id)
    except _LOST:
        return False
    return True


def _batch(
    vault: TokenVault, table: SealedTable, pks: list[Any], keys: dict[UUID, bool], forget: _Forget
) -> int | None:
    """Forget those of these rows that are still under a lost key; None: another worker is at it."""
    opened_keys = {key_id for key_id, opens in keys.items() if opens}
    with transaction.atomic():
        ours = TokenVault.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        if not ours.filter(pk=vault.pk, lost_key_arn=vault.lost_key_arn).exists():
            return None
        held = table.rows_under(keys).filter(pk__in=pks).order_by("pk")
        related = _RELATED.get(table.model, ())
        if related:
            held = held.select_related(*related)
        rows = list(held.select_for_update(of=("self",), no_key=True))
        readable = [row for row in rows if _key_of(row) in opened_keys]
        others = [row for row in rows if _key_of(row) not in opened_keys]
        forget(readable, others, Actor(vault.reset_by))
    return len(rows)


def _key_of(row: Any) -> UUID | None:
    with suppress(ValueError):
        return crypto.data_key_of(row.access_sealed or row.refresh_sealed)
    return None


def _finish(vault: TokenVault) -> None:
    """Close the order, unless a process may still store what it sealed under the lost key."""
    now = timezone.now()
    ordered = TokenVault.objects.filter(pk=vault.pk, lost_key_arn=vault.lost_key_arn)
    settled = ordered.filter(updated_at__lt=now - SETTLE)
    settled.update(lost_key_arn="", reset_by="", version=models.F("version") + 1, updated_at=now)


def _forget_grants(readable: list[Any], others: list[Any], actor: Actor) -> None:
    for grant in readable:
        row = revocations.grant_forget(grant=grant, actor=actor, lost=_LOST)
        if row is not None:  # nobody waits here for the first attempt, so it is due at once
            Revocation.objects.filter(pk=row.pk).update(next_attempt_at=timezone.now())
    if others:
        revocations.grants_write_off(grants=others, actor=actor)


def _forget_sessions(readable: list[Any], others: list[Any], actor: Actor) -> None:
    """End them; nobody has tokens of them yet, so a provider is not told."""
    rows = readable + others
    ended: dict[str, Any] = {
        "status": ConsentSession.Status.FAILED,
        "failure": _REASON,
        "ended_at": timezone.now(),
        "access_sealed": None,
        "refresh_sealed": None,
        "custom_state_sealed": None,
        "custom_parameters_sealed": None,
    }
    ConsentSession.objects.filter(pk__in=[row.pk for row in rows]).update(**ended)
    for row in rows:
        row.status = ended["status"]
        sessions.announce(row)


def _forget_obtained(readable: list[Any], others: list[Any], actor: Actor) -> None:
    for row in readable:
        exchanges.token_forget(row=row, actor=actor, lost=_LOST)
    ObtainedToken.objects.filter(pk__in=[row.pk for row in others]).delete()


def _forget_revocations(readable: list[Any], others: list[Any], actor: Actor) -> None:
    """Keep what can still be told, under the key of now; of the others nobody will be told."""
    for row in readable:
        row.seal_tokens(row.access_token(), row.refresh_token())
        row.save(update_fields=["access_sealed", "refresh_sealed"])
    ended = [row.grant_id for row in others if row.grant_id is not None]
    revocations.outcomes_settle(grants=ended, outcome=Outcome.UNREADABLE)
    Revocation.objects.filter(pk__in=[row.pk for row in others]).delete()


_Forget = Callable[[list[Any], list[Any], Actor], None]
_FORGET: dict[type[models.Model], _Forget] = {
    Grant: _forget_grants,
    ConsentSession: _forget_sessions,
    ObtainedToken: _forget_obtained,
    Revocation: _forget_revocations,
}
_RELATED: dict[type[models.Model], tuple[str, ...]] = {
    Grant: ("workload_identity__agent", "provider"),
    ObtainedToken: ("workload_identity__agent", "provider"),
}
