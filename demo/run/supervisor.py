"""Children brought up together, watched, started again when they end, and stopped together."""

import os
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from embedded.process import Child, description, start_all, stop_all

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_S = 0.1
# A child that lived this long was well, and is started again at once when it ends.
WELL_S = 30.0
BACKOFF_S = 0.5
BACKOFF_MAX_S = 30.0
KEEPS_ENDING = 3


class StopRequested(Exception):
    """Somebody pressed Ctrl-C, or told us to stop."""


@dataclass
class Watched:
    """A child, what we know of its health, and where its process id is told while it is well.

    The file is for people who want to look at a process, or to kill it; nothing here reads it.
    """

    child: Child
    pid_file: Path
    ready: bool = False
    failures: int = 0
    start_at: float | None = None  # set while it is down

    def is_well(self) -> None:
        """Note that the child is ready."""
        self.ready = True
        self.pid_file.write_text(f"{self.child.pid}\n")

    def is_down(self) -> None:
        """Note that the child has ended."""
        self.ready = False
        self.pid_file.unlink(missing_ok=True)


class Supervisor:
    """Owns every child of the demo. Leaving its block stops them, last started first."""

    def __init__(self, pids: Path) -> None:
        pids.mkdir(mode=0o700, exist_ok=True)
        self._pids = pids
        self._stages: list[list[Child]] = []
        self._watched: list[Watched] = []
        self._stop_requested = False
        self._before: dict[signal.Signals, Any] = {}
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        self._before = {signum: signal.signal(signum, self._on_signal) for signum in SIGNALS}
        # A signal then ends a wait at once, whichever moment it comes at.
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for stage in reversed(self._stages):
            stop_all(stage)
        for watched in self._watched:
            watched.is_down()
        signal.set_wakeup_fd(-1)
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def bring_up(self, *children: Child) -> None:
        """Start `children` at once and return when all are ready.

        What is brought up together is stopped together, and watched unless it is an errand.

        Raises:
            StartFailed: one of them ended, or took too long.
            StopRequested: nobody wants to wait for it any more.
        """
        self._stages.append([*children])
        start_all(children, wait=self._wait)
        for child in children:
            if not child.errand:
                watched = Watched(child, self._pids / f"{child.name}.pid")
                watched.is_well()
                self._watched.append(watched)

    def watch(self) -> None:
        """Start again whatever ends. Raises StopRequested when somebody tells us to stop."""
        while True:
            self._wait(POLL_S)
            for watched in self._watched:
                tend(watched, now=time.monotonic())

    def _wait(self, timeout_s: float) -> None:
        """Return after `timeout_s`, or when a signal came; raises StopRequested."""
        select.select([self._wake_reader], [], [], timeout_s)
        with suppress(BlockingIOError):
            os.read(self._wake_reader, 4096)
        if self._stop_requested:
            raise StopRequested

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        self._stop_requested = True


def say(line: str) -> None:
    """Write a line for whoever started us."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def tend(watched: Watched, *, now: float) -> None:
    """Look after one child: note its end, start it again in time, note that it is well."""
    child = watched.child
    if watched.start_at is not None:
        if now >= watched.start_at:
            watched.start_at = None
            child.start()
    elif not child.is_running():
        was_well = watched.ready and now - child.started_at > WELL_S
        watched.failures = 1 if was_well else watched.failures + 1
        watched.is_down()
        delay_s = min(BACKOFF_MAX_S, BACKOFF_S * 2 ** (watched.failures - 1))
        watched.start_at = now + delay_s
        say(f"{child.name} ended: {child.ended()}; starting it again in {delay_s:g} s")
        if watched.failures >= KEEPS_ENDING:
            headline = f"{child.name} keeps ending"
            say(description(headline, log=child.log, last=child.last_lines()))
    elif not watched.ready and child.is_ready():
        watched.is_well()
        say(f"{child.name} is back")
