"""A look at everything that the vault holds: does it open, is it on time, should it be there.

Findings come one by one as they are found, and rows in batches, so a million of them need no more
memory than a few hundred. What is mended is only what cannot lose anything, and is on record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Min, Q, QuerySet
from django.utils import timezone

from core import audit, crypto, rotation, sealed_columns, wrapping
from core.errors import AppError
from core.key_errors import KeyMissing, SealBroken
from core.models import DataKey, TokenVault
from core.sealed_columns import SealedColumn
from vault.ending import revocations
from vault.flows import sessions
from vault.models import ConsentSession, Grant, Revocation, WebhookDelivery

# Longer than any worker is behind that works at all.
_LATE = timedelta(hours=1)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is: the table that is read, the values looked at in all, and what is left."""

    table: str
    opened: int
    left: int


Progress = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing. `is_wrong` unless it is merely worth knowing; `mended` if it is no more."""

    check: str
    words: str
    where: str = ""
    row: str = ""
    key: str = ""
    count: int = 1
    is_wrong: bool = True
    mended: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return its members for a program."""
        return asdict(self)


def examine(*, fix: bool, actor: str, progress: Progress) -> Iterator[Finding]:
    """Yield what is found. Changes nothing, unless told to `fix` what can be mended safely.

    Raises:
        KeyUnavailable: KMS does not answer now, so nothing can be said of what it wraps.
    """
    yield from _data_keys()
    yield from _seals(progress)
    yield from _token_vault()
    yield from _without_due_time(fix=fix, actor=actor)
    yield from _late()
    yield from _open_past_their_time(fix=fix)
    yield from _held_wrongly()
    yield from _revocations()
    yield from _webhooks()


def _data_keys() -> Iterator[Finding]:
    """Look at the data keys: each opens, is wrapped by what is newest, and is needed."""
    old = timezone.now() - rotation.RETIRED_FOR
    used = sealed_columns.data_keys_in_use()
    for key in DataKey.objects.order_by("created_at"):
        about: dict[str, Any] = {"where": "core_datakey", "row": str(key.pk), "key": key.kek_id}
        try:
            wrapping.unwrap(key)
        except (KeyMissing, SealBroken) as exc:
            yield Finding("data_key_lost", f"The data key does not open: {exc.detail}", **about)
        if key.kek_id != wrapping.newest(key.purpose):
            words = "A newer key is there to wrap it; run rotate_vault_keys."
            yield Finding("data_key_wrapped_by_older", words, is_wrong=False, **about)
        if key.retired_at is not None and key.retired_at < old and key.pk not in used:
            words = "Nothing needs the data key; a worker destroys it within the hour."
            yield Finding("data_key_unused", words, is_wrong=False, **about)


def _seals(progress: Progress) -> Iterator[Finding]:
    """Open every sealed value. Each broken seal is named, and each missing key with its values."""
    tables = sealed_columns.all_tables()
    total = sum(table.count() for table in tables)
    opened = 0
    for table in tables:
        lacking: Counter[tuple[str, str]] = Counter()
        lost: dict[UUID, str] = {}  # by the data key that a value names
        for batch in table.batches(table.rows()):
            for row in batch:
                for column in table.held(row):
                    opened += 1
                    broken = _opened(column, row, lacking, lost)
                    if broken:
                        yield Finding("seal_broken", broken, where=str(column), row=str(row.pk))
            progress(Step(str(table), opened, max(total - opened, 0)))
        for (where, key), count in lacking.items():
            words = "A key is missing that these values were sealed with."
            yield Finding("key_missing", words, where=where, key=key, count=count)


def _opened(
    column: SealedColumn, row: Any, lacking: Counter[tuple[str, str]], lost: dict[UUID, str]
) -> str | None:
    """Open one value; return how its seal is broken, and count it where a key is missing."""
    sealed = column.sealed(row)
    try:
        key_id = crypto.data_key_of(sealed)
        if key_id in lost:
            lacking[str(column), lost[key_id]] += 1
        else:
            crypto.open_sealed(sealed, bound_to=column.binding(row))
    except KeyMissing as exc:
        lost[key_id] = exc.key
        lacking[str(column), exc.key] += 1
    except SealBroken:
        return "The value was changed, or sealed for another place."
    except ValueError:
        return "It is not a sealed value."
    return None


def _token_vault() -> Iterator[Finding]:
    for vault in TokenVault.objects.exclude(lost_key_arn=""):
        words = "Tokens lost with this key are being forgotten; see that a worker and beat run."
        yield Finding(
            "reset_unfinished",
            words,
            where="core_tokenvault",
            key=vault.lost_key_arn,
            is_wrong=vault.updated_at < timezone.now() - _LATE,
        )


def _without_due_time(*, fix: bool, actor: str) -> Iterator[Finding]:
    """Find live grants that could be refreshed and never will be; mended, they are due now."""
    never = Grant.objects.filter(
        state=Grant.State.LIVE,
        refresh_sealed__isnull=False,
        access_expires_at__isnull=False,
        next_refresh_at=None,
        spending_since=None,
    )
    for grant in _streamed(never):
        mended = fix and _made_due(never, grant, actor)
        words = "The grant expires, and no refresh is planned."
        yield Finding("no_due_time", words, where="vault_grant", row=str(grant.pk), mended=mended)


def _made_due(never: QuerySet[Grant], grant: Grant, actor: str) -> bool:
    with transaction.atomic():
        audit.record(
            audit.Event(
                "vault.doctor.mended",
                actor=actor,
                subject=grant.subject,
                reason="no_due_time",
                detail={"grant": str(grant.pk)},
            )
        )
        made = never.filter(pk=grant.pk).update(next_refresh_at=timezone.now())
        transaction.set_rollback(not made)
    return bool(made)


def _late() -> Iterator[Finding]:
    """Find refreshes long past due, and marks of refreshes that nobody finished."""
    before = timezone.now() - _LATE
    live = Grant.objects.filter(state=Grant.State.LIVE)
    words = "Refreshes are past due since {:%Y-%m-%d %H:%M} UTC; see that a worker and beat run."
    yield from _counted(live, "next_refresh_at", before, "refresh_late", words)
    words = (
        "Refreshes were begun and never finished, the first at {:%Y-%m-%d %H:%M} UTC; the next "
        "refresh or reading of each decides what became of it."
    )
    yield from _counted(live, "spending_since", before, "refresh_abandoned", words)


def _open_past_their_time(*, fix: bool) -> Iterator[Finding]:
    """Find consent sessions that should have expired; mended, they have."""
    at = timezone.now()
    orphans = ConsentSession.objects.filter(
        status__in=ConsentSession.OPEN, expires_at__lt=at - _LATE
    )
    found = orphans.count()
    if fix and found:
        # One whose tokens do not open cannot be ended so; its seal is a finding of its own.
        with suppress(AppError):
            while sessions.expire_due(at=at):
                pass
    left = orphans.count() if fix else found
    words = "Consent sessions are open past their time; see that a worker and beat run."
    for count, mended in ((found - left, True), (left, False)):
        if count:
            yield Finding(
                "consent_orphaned",
                words,
                where="vault_consentsession",
                count=count,
                mended=mended,
            )


def _held_wrongly() -> Iterator[Finding]:
    """Find secrets in rows that are over. Constraints forbid them; a restored dump may not."""
    ended = ~Q(status__in=ConsentSession.OPEN) & ~Q(
        access_sealed=None,
        refresh_sealed=None,
        verifier_sealed=None,
        custom_state_sealed=None,
        custom_parameters_sealed=None,
    )
    revoked = Q(state=Grant.State.REVOKED) & ~Q(access_sealed=None, refresh_sealed=None)
    over = (ConsentSession.objects.filter(ended), Grant.objects.filter(revoked))
    for rows in over:
        for row in _streamed(rows):
            words = "The row is over, and still holds a secret."
            yield Finding("held_wrongly", words, where=row._meta.db_table, row=str(row.pk))


def _revocations() -> Iterator[Finding]:
    now = timezone.now()
    words = "Providers were to be told since {:%Y-%m-%d %H:%M} UTC that tokens end."
    rows = Revocation.objects.all()
    yield from _counted(rows, "next_attempt_at", now - _LATE, "revocation_late", words)
    words = "Providers have been away for longer than they are told, since {:%Y-%m-%d %H:%M} UTC."
    given_up = now - revocations.GIVEN_UP_AFTER - _LATE
    yield from _counted(rows, "created_at", given_up, "revocation_stuck", words)


def _webhooks() -> Iterator[Finding]:
    now = timezone.now()
    words = "Events were to be sent since {:%Y-%m-%d %H:%M} UTC; see that a worker and beat run."
    open_now = Q(endpoint__not_before=None) | Q(endpoint__not_before__lte=now)
    rows = WebhookDelivery.objects.filter(
        open_now, endpoint__enabled=True, state=WebhookDelivery.State.WAITING
    )
    yield from _counted(rows, "next_attempt_at", now - _LATE, "webhook_late", words)


def _counted(
    rows: QuerySet[Any], field: str, before: Any, check: str, words: str
) -> Iterator[Finding]:
    late = rows.filter(**{f"{field}__lt": before})
    count, first = late.count(), late.aggregate(first=Min(field))["first"]
    if first is not None:
        yield Finding(check, words.format(first), where=rows.model._meta.db_table, count=count)


def _streamed(rows: QuerySet[Any]) -> Iterator[Any]:
    """Yield rows in batches by primary key, also while they cease to be among them."""
    batch = list(rows.order_by("pk")[:_BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk).order_by("pk")[:_BATCH])
