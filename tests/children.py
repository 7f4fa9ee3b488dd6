"""Real child processes for tests: a piece of Python each, or a command and all that it starts."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from embedded.process import SPAWN, Child
from tests.engines import CHECKOUT

MakeChild = Callable[..., Child]
PATIENCE_S = 120


def ended_with_this(*command: str) -> list[str]:
    """Return `command` so that it is asked to end when this process does, even by SIGKILL."""
    parent, word = str(os.getpid()), str(int(signal.SIGTERM))
    return [sys.executable, "-I", "-S", str(SPAWN), parent, word, *command]


@pytest.fixture
def make_child(tmp_path: Path) -> Iterator[MakeChild]:
    """Make children that run a piece of Python and are ready when they have made a file."""
    with ExitStack() as stack:

        def make(code: str, **fields: object) -> Child:
            name = str(fields.pop("name", "part"))
            ready = tmp_path / f"{name}.ready"
            child = Child(
                name=name,
                argv=[sys.executable, "-c", code, str(ready)],
                env={},
                log=tmp_path / "log" / f"{name}.log",
                is_ready=ready.exists,
                lifeline=lifeline,
            )
            for field, value in fields.items():
                setattr(child, field, value)
            stack.callback(child.stop)
            return child

        lifeline = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
        stack.callback(os.close, lifeline)
        yield make


# Says that it is ready, and waits to be told to end.
IDLE = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"


@contextmanager
def started(*argv: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the checkout; what it has not ended by itself is killed."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with subprocess.Popen(
        argv,
        cwd=CHECKOUT,
        env=env | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def printed_until(line: str, process: subprocess.Popen[str]) -> str:
    """Return what the process prints up to a line that begins with `line`."""
    assert process.stdout is not None
    printed = ""
    for each in process.stdout:
        printed += each
        if each.startswith(line):
            return printed
    raise AssertionError(f"it ended without {line!r}:\n{printed}")


def below(pid: int) -> set[int]:
    """Return every process that `pid` started, and those that these started."""
    found: set[int] = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found |= {int(child), *below(int(child))}
    return found


@contextmanager
def all_gone_afterwards(process: subprocess.Popen[str]) -> Iterator[None]:
    """See that whatever `process` had started when the block began has ended after it."""
    with ExitStack() as stack:
        watched = []
        for pid in below(process.pid):
            with suppress(ProcessLookupError):
                watched.append(os.pidfd_open(pid))
                stack.callback(os.close, watched[-1])
        yield
        for pidfd in watched:
            assert select.select([pidfd], [], [], 0)[0], "a process outlived its parent"
