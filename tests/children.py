"""Real child processes for tests: a piece of Python each."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from embedded.process import SPAWN, Child

MakeChild = Callable[..., Child]


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
