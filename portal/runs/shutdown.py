"""Hearing of the process's end when it is asked for.

A server that is told to end waits for open streams first, and says so to the application last. A
tab that shows a run would hold it up for as long as the run takes.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_begun: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Event] = (
    weakref.WeakKeyDictionary()
)


def begun() -> asyncio.Event:
    """Return the running loop's event that is set once this process is to end."""
    loop = asyncio.get_running_loop()
    found = _begun.get(loop)
    if found is None:
        found = _begun[loop] = asyncio.Event()
    return found


def listen() -> Callable[[], None]:
    """Set `begun` when a signal asks for the end; return how to stop listening.

    The server's own handling goes on: event loops learn of signals through a descriptor, and what
    was installed before is called as well.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop, event = asyncio.get_running_loop(), begun()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def heard(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(event.set)
        handler: Any = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in _SIGNALS:
        signal.signal(number, heard)
        signal.siginterrupt(number, False)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore
