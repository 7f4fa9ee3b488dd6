"""The event loop for synchronous callers' requests: one client and one guard for them all."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from core import database
from core.http import fetching

T = TypeVar("T")

_CLOSING_S = 10.0


class _Background:
    """A loop in a thread of its own, one a process, for synchronous callers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                threading.Thread(
                    target=self._loop.run_forever, name="outbound-http", daemon=True
                ).start()
                atexit.register(self._close, self._loop, self._pid)
            return self._loop

    @staticmethod
    def _close(loop: asyncio.AbstractEventLoop, pid: int) -> None:
        """Close what the loop has open, at exit; a forked child has no such thread to ask."""
        if pid == os.getpid():
            for closing in (fetching.close(), database.close()):
                asyncio.run_coroutine_threadsafe(closing, loop).result(_CLOSING_S)
            loop.call_soon_threadsafe(loop.stop)


_background = _Background()


def background_loop() -> asyncio.AbstractEventLoop:
    """Return this process's loop for outbound work that outlives, or has no, loop of its caller."""
    return _background.loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`, run on the background loop while this thread waits.

    The thread keeps no connection to the database meanwhile, outside of a transaction.
    """
    database.let_go()
    return asyncio.run_coroutine_threadsafe(work, _background.loop()).result()


def fetch_sync(method: str, url: str, **options: Any) -> fetching.Response:
    """Return what `fetch` does, for a caller without an event loop."""
    return run(fetching.fetch(method, url, **options))
