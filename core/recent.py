"""What the data plane keeps of the database: small frozen copies, half a second old at most.

A row that is switched off is refused everywhere within a second, and the hot path does not ask
the database for it each time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import psycopg
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


@dataclass(frozen=True, slots=True)
class _Answer(Generic[V]):
    value: V
    asked_at: float  # monotonic()

    def is_fresh(self) -> bool:
        return time.monotonic() - self.asked_at < FRESH_S


class Recent(Generic[K, V]):
    """Answers of `ask`, each kept for `FRESH_S`. Bounded, since strangers choose the keys."""

    def __init__(self, ask: Callable[[K], Awaitable[V]]) -> None:
        self._ask = ask
        self._kept: dict[K, _Answer[V]] = {}
        self._asking: dict[K, asyncio.Task[_Answer[V]]] = {}

    async def get(self, key: K) -> V:
        """Return what `ask` gives for `key`, now or half a second ago.

        Those who ask at once share one question, unless its answer is too old when it comes.

        Raises:
            RegistryUnavailable: the database does not answer. An old answer is not used instead.
        """
        kept = self._kept.get(key)
        if kept is not None and kept.is_fresh():
            return kept.value
        while (asking := self._asking.get(key)) is not None and _is_of_this_loop(asking):
            answer = await asyncio.shield(asking)
            if answer.is_fresh():
                return answer.value
        asking = self._asking[key] = asyncio.create_task(self._ask_for(key))
        return (await asyncio.shield(asking)).value

    def forget(self) -> None:
        """Drop every copy, as after the database was replaced."""
        self._kept.clear()
        self._asking.clear()

    async def _ask_for(self, key: K) -> _Answer[V]:
        began = time.monotonic()  # the answer is as old as the question
        try:
            answer = _Answer(await self._ask(key), began)
        except (DatabaseError, psycopg.Error) as exc:
            raise RegistryUnavailable(detail=type(exc).__name__) from exc
        finally:
            known = self._asking.get(key) is asyncio.current_task()
            if known:
                del self._asking[key]
        if known:  # else all copies were dropped meanwhile
            if len(self._kept) >= _MAX_ENTRIES:
                self._kept.clear()
            self._kept[key] = answer
        return answer


def by_orm(load: Callable[[K], V]) -> Recent[K, V]:
    """Return the recent answers of `load`, which uses the ORM and so runs on a thread."""
    return Recent(partial(database.on_thread, load))


def _is_of_this_loop(task: asyncio.Task[_Answer[V]]) -> bool:
    return task.get_loop() is asyncio.get_running_loop()
