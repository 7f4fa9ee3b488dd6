"""One supervised child process: started, probed, stopped, and described when it fails."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

SPAWN = Path(__file__).with_name("spawn.py")
POLL_S = 0.05
LAST_LINES = 12
TAIL_BYTES = 8192
LOG_MAX_BYTES = 16 << 20

# What a child needs of our own environment. Everything else it is told by name, so that a
# secret exported in somebody's shell does not reach every process of the demo.
INHERITED: tuple[str, ...] = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)


class StartFailed(Exception):
    """A part did not come up. Says which, why, and where its log is."""

    def __init__(self, name: str, reason: str, *, log: Path | None = None, last: str = "") -> None:
        super().__init__(description(f"{name} did not start: {reason}", log=log, last=last))


def description(headline: str, *, log: Path | None, last: str) -> str:
    """Return `headline` with the last lines of a log below it, and where the log is."""
    lines = [headline, *(f"  | {line}" for line in last.splitlines())]
    if log:
        lines.append(f"  log: {log}")
    return "\n".join(lines)


@dataclass
class Child:
    """A process that we own. It leads a session of its own, so that Ctrl-C reaches only us.

    `die_with` is the signal the kernel sends it when we are killed. `lifeline` is a descriptor
    that it keeps open for as long as it lives (see `embedded.instance`). What it prints goes to
    its log, or, where `output` is given, only its errors do. An `errand` is a child that ends by
    itself, and is ready when it has. Start a child from a thread that lives on: for the kernel, the
    parent is the thread and not the process.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    is_ready: Callable[[], bool]
    lifeline: int
    cwd: Path | None = None
    output: Path | None = None
    errand: bool = False
    run_as: Sequence[str] = ()
    stop_with: signal.Signals = signal.SIGTERM
    die_with: signal.Signals = signal.SIGTERM
    grace_s: float = 10
    start_timeout_s: float = 60
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0, init=False)
    _log_start: int = field(default=0, init=False)

    @property
    def pid(self) -> int:
        """Return the process id of the child that was started last."""
        return self._started().pid

    def start(self) -> None:
        """Start the process; does not wait until it is ready."""
        with ExitStack() as stack:
            log = stack.enter_context(_log_opened(self.log))
            self._log_start = log.tell()
            printed = log
            if self.output:
                self.output.unlink(missing_ok=True)
                printed = stack.enter_context(_log_opened(self.output))
            self.process = subprocess.Popen(
                [
                    *self.run_as,
                    *(sys.executable, "-I", "-S", str(SPAWN), str(os.getpid())),
                    *(str(int(self.die_with)), *self.argv),
                ],
                env=_inherited() | dict(self.env),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=log,
                start_new_session=True,
                pass_fds=(self.lifeline,),
            )
        self.started_at = time.monotonic()

    def is_running(self) -> bool:
        """Say whether the process lives. Reaps it, and what it left behind, when it does not."""
        if self.process is None:
            return False
        if self.process.poll() is None:
            return True
        self._sweep()
        return False

    def request_stop(self) -> None:
        """Ask the process to stop; `wait_stopped` sees to it that it did."""
        if self.is_running():
            self._started().send_signal(self.stop_with)

    def wait_stopped(self) -> None:
        """Return when the process and its own children are gone; kill them when grace ends."""
        if self.process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(self.grace_s)
        self._sweep()
        self.process.wait()

    def stop(self) -> None:
        """Stop the process and everything it started."""
        self.request_stop()
        self.wait_stopped()

    def failure(self, reason: str) -> StartFailed:
        """Return the error that tells a person why this child is not there."""
        return StartFailed(self.name, reason, log=self.log, last=self.last_lines())

    def succeeded(self) -> bool:
        """Say whether the process has ended as it should."""
        return self.process is not None and self.process.returncode == 0

    def ended(self) -> str:
        """Return how the process ended, in words."""
        code = None if self.process is None else self.process.returncode
        if code is None:
            return "it is still running"
        if code >= 0:
            return f"it exited with status {code}"
        return f"it was killed by {signal.Signals(-code).name}"

    def last_lines(self) -> str:
        """Return the end of what this run of the process wrote to its log."""
        return "\n".join(self._logged()[-TAIL_BYTES:].strip().splitlines()[-LAST_LINES:])

    def has_logged(self, text: str) -> bool:
        """Say whether this run of the process wrote `text` to its log."""
        return text in self._logged()

    def _logged(self) -> str:
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_start)
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self.process

    def _sweep(self) -> None:
        """Kill what is left of the child's process group, itself included."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def start_all(children: Iterable[Child], *, wait: Callable[[float], None] = time.sleep) -> None:
    """Start every child at once and return when all are ready; `wait` passes the time.

    Raises:
        StartFailed: the first one that died or ran out of time. The others are left running,
            for the caller to stop.
    """
    waiting = list(children)
    for child in waiting:
        child.start()
    while waiting:
        waiting = [child for child in waiting if not _came_up(child)]
        if waiting:
            wait(POLL_S)


def stop_all(children: Iterable[Child]) -> None:
    """Stop every child at once and return when all are gone."""
    stopping = list(children)
    for child in stopping:
        child.request_stop()
    for child in stopping:
        child.wait_stopped()


def _came_up(child: Child) -> bool:
    """Say whether the child is ready; raise when it never will be."""
    if not child.is_running():
        if child.errand and child.succeeded():
            return True
        raise child.failure(child.ended())
    if not child.errand and child.is_ready():
        return True
    if time.monotonic() - child.started_at > child.start_timeout_s:
        raise child.failure(f"it was not ready after {child.start_timeout_s:.0f} s")
    return False


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def _log_opened(path: Path) -> IO[bytes]:
    """Open a log for appending, readable by its owner only; one old part is kept."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if path.stat().st_size > LOG_MAX_BYTES:
            path.replace(path.with_suffix(".log.1"))
    log = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    log.seek(0, os.SEEK_END)
    return log
