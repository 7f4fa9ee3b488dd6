"""Serving what is due, with a lane for each party that has some: a slow one delays no other."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, TypeVar

from django.utils import timezone

from core import http
from core.database import on_thread

Key = TypeVar("Key")
GoesOn = Callable[[], bool]

_LOOK_S = 0.25


def serve(
    with_due: Callable[[datetime], Iterable[Key]],
    lane: Callable[[Key, GoesOn], Coroutine[Any, Any, int]],
    *,
    for_s: float,
    stopping: threading.Event | None = None,
    most: float = math.inf,
) -> int:
    """Keep a `lane` open for each of `with_due`, `most` at once; return how much they took on.

    Ends when nothing is due, after `for_s`, or soon after `stopping` is set; what is under way is
    finished in each case.
    """
    until = time.monotonic() + for_s

    def goes_on() -> bool:
        return time.monotonic() < until and not (stopping and stopping.is_set())

    async def run() -> int:
        taken = 0
        lanes: dict[Key, asyncio.Task[int]] = {}
        while goes_on():
            for key in await on_thread(with_due, timezone.now()):
                if key not in lanes and len(lanes) < most:
                    lanes[key] = asyncio.create_task(lane(key, goes_on))
            if not lanes:
                break
            ended, _ = await asyncio.wait(lanes.values(), timeout=_LOOK_S)
            found = sum(each.result() for each in ended)
            lanes = {key: each for key, each in lanes.items() if each not in ended}
            taken += found
            if not lanes and not found:
                break  # others are at all that is due
        return taken + sum(await asyncio.gather(*lanes.values()))

    return http.run(run())
