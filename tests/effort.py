"""How much work something is, told without a clock, which other work on the machine would move."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDLESS_S = 60


def calls_of(work: Callable[[], object]) -> int:
    """Return how many functions of Python and of C `work` calls: as many on any machine."""
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


@contextmanager
def ended_if_endless() -> Iterator[None]:
    """Raise TimeoutError in what would keep a processor busy for days; in the main thread alone.

    For what is one call, as a search by a regular expression is: it takes a moment or does not end.
    """

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"busy for {_ENDLESS_S} s, and no end of it")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, _ENDLESS_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
