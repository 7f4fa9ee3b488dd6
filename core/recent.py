"""What the data plane keeps of the database: small frozen copies, half a second old at most.

A row that is switched off is refused everywhere within a second (design section 7), and the hot
path does not ask the database for it each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from django.db import DatabaseError

from core import database
from core.errors import AppError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

FRESH_S = 0.5
_MAX_ENTRIES = 10_000


class RegistryUnavailable(AppError):
    """The database cannot be asked who may do what, so nobody may do anything."""

    code = "registry_unavailable"
    status = 503


class Recent(Generic[K, V]):
    """Answers of `load`, each kept for `FRESH_S`. Bounded, since strangers choose the keys."""

    def __init__(self, load: Callable[[K], V]) -> None:
        self._load = load
        self._kept: dict[K, tuple[float, V]] = {}

    async def get(self, key: K) -> V:
        """Return what `load` gives for `key`, now or half a second ago.

        Raises:
            RegistryUnavailable: the database does not answer. An old answer is not used instead.
        """
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept[0] < FRESH_S:
            return kept[1]
        began = time.monotonic()  # the answer is as old as the question
        try:
            value = await database.on_thread(self._load, key)
        except DatabaseError as exc:
            raise RegistryUnavailable(detail=type(exc).__name__) from exc
        if len(self._kept) >= _MAX_ENTRIES:
            self._kept.clear()
        self._kept[key] = (began, value)
        return value

    def forget(self) -> None:
        """Drop every copy, as after the database was replaced."""
        self._kept.clear()
