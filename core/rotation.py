"""Changing keys while the site runs: what wraps the data keys, the data keys, and what they seal.

Each step can be killed and made again, since what is done is seen in the rows: a data key says what
wraps it, a sealed value which data key sealed it. A process that seals under an older key for some
seconds more is met by going over the rows once again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from core import audit, crypto, data_keys, sealed_columns, wrapping
from core.fenced import Change
from core.key_errors import KeyMissing, SealBroken
from core.models.keys import DataKey
from core.sealed_columns import SealedTable

log = logging.getLogger(__name__)

# Until every process has seen which data key seals now, and has stored what it sealed before.
SETTLE_S = data_keys.SEALING_S + 5.0
# What is sealed and stands in no row lives for an hour: workload access tokens. A data key is
# destroyed no sooner than all of them are over.
RETIRED_FOR = timedelta(hours=2)
_LOCK = "daiko.rotate_vault_keys"


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is: the table that is worked on, what is done in all, and what seems to be left.

    What is stored meanwhile under an older key is not in the number.
    """

    table: str
    resealed: int
    left: int


Progress = Callable[[Step], None]


class AlreadyRunning(Exception):
    """Another process changes keys at this moment."""


@dataclass
class Rotated:
    """What was done, in numbers. `unreadable` says which keys are missing, and how often."""

    rewrapped: int = 0
    resealed: int = 0
    destroyed: int = 0
    waiting_until: datetime | None = None
    unreadable: dict[str, int] = field(default_factory=dict)

    def unread(self, why: str) -> None:
        """Count one value, or data key, that does not open."""
        self.unreadable[why] = self.unreadable.get(why, 0) + 1


@contextmanager
def alone() -> Iterator[None]:
    """Keep every other process from changing keys meanwhile; the lock ends with this process.

    Raises:
        AlreadyRunning: another one does.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [_LOCK])
        if not cursor.fetchone()[0]:
            raise AlreadyRunning
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [_LOCK])


def rotate(*, actor: str, progress: Progress) -> Rotated:
    """Change all keys, and return what was done. Goes on where one that was killed ended.

    Takes as long as every value takes to be sealed anew, and `SETTLE_S` at least. Nobody else has
    to wait meanwhile, and no lock is held for longer than a batch. Call it within `alone`.

    Raises:
        KeyUnavailable: KMS does not answer now; what was done so far stays.
        KeyMissing: what is to wrap from now on cannot.
    """
    done = Rotated()
    began = time.monotonic()
    _rewrap(done)
    targets = _begin(actor)
    data_keys.opened.forget_sealing()
    total = sum(_waiting(targets.values()).values())
    while True:
        found = _reseal(targets, done, total, progress)
        left_s = began + SETTLE_S - time.monotonic()
        if not found and left_s <= 0:
            break
        threading.Event().wait(max(left_s, 0.0))
    DataKey.objects.filter(pk__in=targets.values()).update(resealed_at=timezone.now())
    done.destroyed, done.waiting_until = _destroy(actor), _waiting_until()
    audit.record(
        audit.Event(
            "vault.keys.rotated",
            outcome="failed" if done.unreadable else "allowed",
            reason="key_missing" if done.unreadable else "",
            actor=actor,
            detail={
                "rewrapped": done.rewrapped,
                "resealed": done.resealed,
                "destroyed": done.destroyed,
                "unreadable": done.unreadable,
            },
        )
    )
    return done


@dataclass(frozen=True, slots=True)
class Plan:
    """What `rotate` would do now."""

    to_rewrap: int
    goes_on: bool
    to_reseal: dict[str, int]
    to_destroy: int


def plan() -> Plan:
    """Return what `rotate` would do now. Reads every table that holds secrets, and changes none."""
    keys = list(DataKey.objects.all())
    under_way = [key.pk for key in keys if _is_under_way(key, keys)]
    return Plan(
        to_rewrap=sum(key.kek_id != wrapping.newest(key.purpose) for key in keys),
        goes_on=bool(under_way),
        to_reseal=_waiting(under_way),
        to_destroy=len(_unused()),
    )


def _rewrap(done: Rotated) -> None:
    """Wrap every data key by what is newest; the values that they sealed stay as they are."""
    for key in DataKey.objects.order_by("created_at"):
        kek_id = wrapping.newest(key.purpose)
        if key.kek_id == kek_id:
            continue
        try:
            sealed = wrapping.rewrapped(key, kek_id=kek_id)
        except (KeyMissing, SealBroken) as exc:
            log.error("data_key.not_rewrapped", extra={"detail": exc.detail})
            done.unread(exc.key if isinstance(exc, KeyMissing) else f"data key {key.pk}")
            continue
        done.rewrapped += DataKey.objects.filter(pk=key.pk, sealed=key.sealed).update(
            kek_id=kek_id, sealed=sealed
        )


def _begin(actor: str) -> dict[str, UUID]:
    """Return which data key is to seal for each purpose: a new one, or that of a rotation begun."""
    return {str(purpose): _target(str(purpose), actor) for purpose in DataKey.Purpose}


def _target(purpose: str, actor: str) -> UUID:
    keys = list(DataKey.objects.filter(purpose=purpose))
    begun = next((key for key in keys if _is_under_way(key, keys)), None)
    if begun is not None and _opens(begun):
        return begun.pk
    made = wrapping.new_data_key(purpose, kek_id=wrapping.newest(purpose))
    with transaction.atomic():
        DataKey.objects.filter(purpose=purpose, retired_at=None).update(retired_at=timezone.now())
        made.save(force_insert=True)
        audit.record(
            audit.Event(
                "vault.keys.data_key_made",
                actor=actor,
                detail={"data_key": str(made.pk), "purpose": purpose, "key": made.kek_id},
            )
        )
    return made.pk


def _is_under_way(key: DataKey, keys: list[DataKey]) -> bool:
    """Say whether `key` took over from others, and not all that they sealed is sealed anew yet."""
    seals = key.retired_at is None and key.resealed_at is None
    return seals and any(other.purpose == key.purpose and other.retired_at for other in keys)


def _opens(key: DataKey) -> bool:
    try:
        wrapping.unwrap(key)
    except (KeyMissing, SealBroken):
        return False
    return True


def _waiting(key_ids: Iterable[UUID]) -> dict[str, int]:
    """Return, by column, how many values other data keys sealed. Reads every table once."""
    ids, waiting = list(key_ids), {}
    for table in sealed_columns.all_tables():
        waiting.update(table.count_apart_from(ids))
    return waiting


def _reseal(targets: dict[str, UUID], done: Rotated, total: int, progress: Progress) -> int:
    """Seal anew what is sealed under other data keys than `targets`; return how much was found.

    A row that somebody else stores at the same time keeps what they stored, and is found again.
    """
    found = 0
    done.unreadable = {}
    for table in sealed_columns.all_tables():
        for batch in table.batches(table.rows_apart_from(targets.values())):
            changes = [change for row in batch if (change := _changed(table, row, targets, done))]
            replaced = table.replace(changes)
            found += len(changes)
            done.resealed += sum(len(c.columns) for c in changes if c.pk in replaced)
            progress(Step(str(table), done.resealed, max(total - done.resealed, 0)))
    return found


def _changed(
    table: SealedTable, row: Any, targets: dict[str, UUID], done: Rotated
) -> Change | None:
    """Return what changes in a row: what others sealed, and opens, sealed anew."""
    seen, columns = {}, {}
    for column in table.held(row):
        sealed, place = column.sealed(row), column.binding(row)
        try:
            if crypto.data_key_of(sealed) in targets.values():
                continue
            opened = crypto.open_sealed(sealed, bound_to=place)
        except KeyMissing as exc:
            done.unread(exc.key)
        except (SealBroken, ValueError):
            log.error("seal.broken", extra={"detail": f"{column} of {row.pk} does not open"})
            done.unread("broken seals")
        else:
            seen[column.field] = getattr(row, column.field)
            columns[column.field] = column.stored(crypto.seal(opened, bound_to=place))
    return Change(row.pk, seen, columns) if columns else None


def _unused() -> list[DataKey]:
    """Return the data keys that nothing can need any more."""
    old = DataKey.objects.filter(retired_at__lt=timezone.now() - RETIRED_FOR)
    used = sealed_columns.data_keys_in_use() if old.exists() else set()
    return list(old.exclude(pk__in=used))


def destroy_unused(*, actor: str) -> int:
    """Delete data keys that nothing can need any more, on record, and return how many.

    What they sealed never opens again. While somebody changes keys, nothing is destroyed.

    Raises:
        AuditUnavailable: the key at hand was not destroyed.
    """
    try:
        with alone():
            return _destroy(actor)
    except AlreadyRunning:
        return 0


def _destroy(actor: str) -> int:
    unused = _unused()
    for key in unused:
        with transaction.atomic():
            audit.record(
                audit.Event(
                    "vault.keys.data_key_destroyed",
                    actor=actor,
                    detail={"data_key": str(key.pk), "purpose": key.purpose, "key": key.kek_id},
                )
            )
            DataKey.objects.filter(pk=key.pk).delete()
    return len(unused)


def _waiting_until() -> datetime | None:
    """Return when all data keys that were retired by now may be destroyed; None: there are none."""
    waiting = DataKey.objects.exclude(retired_at=None).order_by("-retired_at").first()
    if waiting is None or waiting.retired_at is None:
        return None
    return waiting.retired_at + RETIRED_FOR
