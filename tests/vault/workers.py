"""Modules of the tests as processes of their own, on the tests' database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.connections import database_url
from tests.engines import CHECKOUT

Worker = subprocess.Popen[str]
Start = Callable[..., Worker]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start modules of `tests.vault`; what is left of them is killed."""
    with ExitStack() as stack:

        def begin(module: str, *asked: str) -> Worker:
            worker = subprocess.Popen(
                [sys.executable, "-m", f"tests.vault.{module}", *asked],
                cwd=CHECKOUT,
                env=os.environ | {"DATABASE_URL": database_url()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(worker)
            stack.callback(worker.kill)
            return worker

        yield begin


def said(worker: Worker) -> str:
    """Return the next line that `worker` says."""
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def go(worker: Worker) -> None:
    """Have `worker` begin."""
    assert worker.stdin is not None
    worker.stdin.write("\n")
    worker.stdin.flush()
