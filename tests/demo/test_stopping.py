"""The demo as a process: told to stop at any moment, nothing of it is left; and only one runs."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from demo.run import ports
from tests.children import PATIENCE_S, all_gone_afterwards, printed_until, started
from tests.engines import CHECKOUT


def demo_in(home: Path) -> list[str]:
    return [sys.executable, "-m", "demo", "--home", str(home)]


def managed(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of manage.py at the demo in `home`, with a token that is none."""
    command = [sys.executable, "-m", "demo.manage", "--home", str(home), *arguments]
    return subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, check=False, input="no token"
    )


def test_manage_says_where_the_demo_is_started_that_does_not_run(tmp_path: Path) -> None:
    refused = managed(tmp_path, "explain_token", "--help")

    assert refused.returncode == 1
    assert refused.stderr == "The demo does not run; start it with `make demo`.\n"


def assert_nothing_is_left(home: Path) -> None:
    """See that nobody holds the instance's lock, as every part does, nor one of its ports."""
    lock = os.open(home / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(lock)
    remembered = home / "demo-state.json"
    if remembered.exists():
        given = json.loads(remembered.read_text())["ports"].values()
        assert [port for port in given if not ports.is_free(port)] == []


@pytest.fixture
def port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("phase", "signum"),
    [
        ("starting the engines", signal.SIGINT),
        ("bringing the database up to date", signal.SIGTERM),
        ("starting the site", signal.SIGINT),
    ],
)
def test_a_signal_in_any_phase_leaves_nothing(
    phase: str, signum: signal.Signals, tmp_path: Path, port: str
) -> None:
    with started(*demo_in(tmp_path), PORT=port) as demo:
        printed_until(phase, demo)
        with all_gone_afterwards(demo):
            demo.send_signal(signum)
            said, _ = demo.communicate(timeout=PATIENCE_S)

    assert (demo.returncode, said.splitlines()[-1]) == (0, "stopped")
    assert_nothing_is_left(tmp_path)


def test_one_demo_runs_says_where_to_whoever_starts_another_and_leaves_nothing(
    tmp_path: Path, port: str
) -> None:
    with (
        socket.create_server(("127.0.0.1", int(port))),
        started(*demo_in(tmp_path), PORT=port) as demo,
    ):
        printed = printed_until("ready", demo)
        url = json.loads((tmp_path / "demo.json").read_text())["url"]

        second = subprocess.run(
            demo_in(tmp_path), cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        told = tmp_path / "run" / "site.json"
        kept_for = stat.S_IMODE(told.stat().st_mode)
        explained = managed(tmp_path, "explain_token", "--agent", "concierge")

        with all_gone_afterwards(demo):
            demo.terminate()
            demo.communicate(timeout=PATIENCE_S)

    assert (explained.returncode, kept_for, told.exists()) == (1, 0o600, False)
    assert "Refused: 403 malformed. " in explained.stdout
    assert f"{url}   (port {port} is taken)" in printed
    assert second.returncode == 1
    assert second.stdout.splitlines() == [
        f"The demo runs already, at {url}.",
        f"To stop it, press Ctrl-C where it was started, or run: kill {demo.pid}",
    ]
    assert second.stderr == ""
    assert demo.returncode == 0
    assert_nothing_is_left(tmp_path)


def test_a_second_start_while_the_first_one_starts_is_told_so(tmp_path: Path, port: str) -> None:
    with started(*demo_in(tmp_path), PORT=port) as demo:
        printed_until("starting the engines", demo)

        second = subprocess.run(
            demo_in(tmp_path), cwd=CHECKOUT, capture_output=True, text=True, check=False
        )

        demo.terminate()
        demo.communicate(timeout=PATIENCE_S)

    assert second.stdout.startswith("The demo runs already, and is about to say at which address.")


def test_killing_make_while_it_installs_leaves_nothing(tmp_path: Path) -> None:
    slow = tmp_path / "python"
    slow.write_text('#!/bin/sh\n[ "$1" = -c ] || { echo installing; exec tail -f /dev/null; }\n')
    slow.chmod(0o755)

    with started("make", f"PYTHON={slow}", f"VENV={tmp_path / 'venv'}", "demo") as make:
        printed_until("installing", make)
        with all_gone_afterwards(make):
            make.terminate()
            make.communicate(timeout=PATIENCE_S)

    assert not (tmp_path / "venv" / ".installed").exists()
