"""Work that may wait for other servers, bounded: past that many, callers are told to come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from core import database
from core.errors import Throttled

A = TypeVar("A")
T = TypeVar("T")

# Calls of this process that run on a thread or wait for one.
MAX_PENDING = 200


class _Pending:
    """How many there are."""

    count = 0


async def patiently(work: Callable[[A], T], argument: A) -> T:
    """Return `work(argument)`, run on a thread that may wait for other servers.

    Raises:
        Throttled: MAX_PENDING of them are under way.
    """
    if _Pending.count >= MAX_PENDING:
        raise Throttled
    _Pending.count += 1
    try:
        return await database.on_thread(work, argument, may_wait=True)
    finally:
        _Pending.count -= 1
