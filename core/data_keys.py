"""This process's opened data keys: few, each unwrapped once and looked at again every few minutes.

While KMS or the database is away, an opened key goes on working for an hour after it was last
unwrapped. When either says that the key is gone or refused, it is dropped: disabling a key in KMS
closes the vault at the first use that comes `FRESH_S` after the last look.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.utils.asyncio import async_unsafe
from psycopg_pool import PoolTimeout

from core import database, wrapping
from core.key_errors import KeyMissing, KeyUnavailable, SealBroken
from core.models.keys import DataKey

log = logging.getLogger(__name__)

# How long a process seals under a data key before it looks whether another one took over.
SEALING_S = 5.0
# After this, an opened key goes on being used while it is looked at again.
FRESH_S = 300.0
# After this it is not used before it was unwrapped again.
KEPT_S = 3600.0
_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class _Opened:
    key: AESGCM
    at: float
    # Not looked at again before: soon after an attempt that failed, and never by two at once.
    again_at: float


class OpenedKeys:
    """Data keys by id, and which of them seals for each purpose. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seeking = threading.Lock()
        self._by_id: dict[uuid.UUID, _Opened] = {}
        self._sealing: dict[str, tuple[uuid.UUID, float]] = {}
        self._looking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="data-keys")

    def for_sealing(self, purpose: str) -> tuple[uuid.UUID, AESGCM]:
        """Return the data key that seals for `purpose`, made if there is none.

        Raises:
            KeyMissing, KeyUnavailable, SealBroken: it cannot be opened, or none can be made.
        """
        key_id = self._known(purpose)
        if key_id is None:
            return self._sought(purpose)
        return key_id, self.for_opening(key_id)

    # Refused on an event loop before it could wait for another thread there.
    @async_unsafe
    def _sought(self, purpose: str) -> tuple[uuid.UUID, AESGCM]:
        """Return what the database says by now; one thread asks for all that come meanwhile."""
        with self._seeking:
            key_id = self._known(purpose)
            if key_id is not None:
                return key_id, self.for_opening(key_id)
            asked_at = time.monotonic()
            row = _sealing(purpose) or _first(purpose)
            opened = self._usable(row.pk) or self._open(row)
            with self._lock:
                self._sealing[purpose] = (row.pk, asked_at)
            return row.pk, opened

    def for_opening(self, key_id: uuid.UUID) -> AESGCM:
        """Return the data key `key_id`.

        Raises:
            KeyMissing, KeyUnavailable, SealBroken: it cannot be opened.
        """
        return self._usable(key_id) or self._look(key_id)

    def can_open(self, key_id: uuid.UUID) -> bool:
        """Say whether the data key `key_id` can be had without a query now."""
        return self._usable(key_id) is not None

    def forget_sealing(self) -> None:
        """Look before the next sealing whether another key took over."""
        with self._lock:
            self._sealing.clear()

    def forget(self) -> None:
        """Drop what is kept; the next use asks the database again."""
        with self._lock:
            self._by_id.clear()
            self._sealing.clear()

    def _known(self, purpose: str) -> uuid.UUID | None:
        with self._lock:
            key_id, asked_at = self._sealing.get(purpose, (None, 0.0))
        return key_id if time.monotonic() - asked_at < SEALING_S else None

    def _usable(self, key_id: uuid.UUID) -> AESGCM | None:
        """Return an opened key of the last hour, and see to it that it is looked at in time."""
        now = time.monotonic()
        with self._lock:
            opened = self._by_id.get(key_id)
            if opened is None or now - opened.at >= KEPT_S:
                return None
            if now >= opened.again_at:
                self._by_id[key_id] = _Opened(opened.key, opened.at, now + _PAUSE_S)
                self._looking.submit(self._look_again, key_id)
        return opened.key

    def _look_again(self, key_id: uuid.UUID) -> None:
        try:
            self._look(key_id)
        except (KeyUnavailable, DatabaseError, PoolTimeout) as exc:
            log.warning("data_key.not_looked_at", extra={"failure": type(exc).__name__})
        except (KeyMissing, SealBroken) as exc:
            log.error("data_key.lost", extra={"detail": exc.detail})
            with self._lock:
                self._by_id.pop(key_id, None)
        finally:
            connections.close_all()

    def _look(self, key_id: uuid.UUID) -> AESGCM:
        row = DataKey.objects.filter(pk=key_id).first()
        if row is None:
            raise KeyMissing(str(key_id), because="no such data key in the database")
        return self._open(row)

    def _open(self, row: DataKey) -> AESGCM:
        asked_at = time.monotonic()
        key = wrapping.unwrap(row)
        with self._lock:
            self._by_id[row.pk] = _Opened(key, asked_at, asked_at + FRESH_S)
        return key


def _sealing(purpose: str) -> DataKey | None:
    return DataKey.objects.filter(purpose=purpose, retired_at=None).first()


def _first(purpose: str) -> DataKey:
    """Return the first data key of `purpose`, made here or, at the same time, elsewhere."""
    made = wrapping.new_data_key(purpose, kek_id=wrapping.newest(purpose))

    def store() -> DataKey:
        try:
            with transaction.atomic():
                made.save(force_insert=True)
        except IntegrityError:
            return DataKey.objects.get(purpose=purpose, retired_at=None)
        return made

    database.let_go()  # those of the others that wait for this one may be all that are left
    # Apart from the caller's transaction: were it rolled back, this process would go on sealing
    # under a key that is nowhere stored.
    return database.apart(store)


opened = OpenedKeys()
