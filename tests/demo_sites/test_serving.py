"""How a site goes when the process that was started goes."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from tests.fixtures.browsing import get
from tests.fixtures.demo_sites import Acme

PATIENCE_S = 10


def workers_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_killed_site_leaves_no_worker_and_starts_again(strict_acme: Acme) -> None:
    [worker] = workers_of(strict_acme.child.pid)
    watch = os.pidfd_open(worker)
    try:
        assert strict_acme.child.process is not None
        strict_acme.child.process.kill()

        gone, _, _ = select.select([watch], [], [], PATIENCE_S)
    finally:
        os.close(watch)

    assert gone, "the worker outlived the process that started it"
    strict_acme.restart()
    assert get(f"{strict_acme.url}/healthz").json() == {"status": "ok"}


def test_a_stopped_site_leaves_no_worker(strict_acme: Acme) -> None:
    [worker] = workers_of(strict_acme.child.pid)

    strict_acme.restart()

    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
