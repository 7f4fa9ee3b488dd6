import os
import select
import signal
import sys
from pathlib import Path

import pytest

from embedded.process import StartFailed, start_all, stop_all
from tests.children import IDLE, MakeChild


def ended(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 20)[0])


def test_children_start_together_and_stop_together(make_child: MakeChild) -> None:
    children = [make_child(IDLE, name="one"), make_child(IDLE, name="two")]

    start_all(children)
    assert [child.is_running() for child in children] == [True, True]

    stop_all(children)
    assert [child.is_running() for child in children] == [False, False]


def test_what_a_child_started_goes_when_the_child_is_killed(
    make_child: MakeChild, tmp_path: Path
) -> None:
    fork = (
        "import os, pathlib, signal, sys\n"
        "pid = os.fork()\n"
        "if pid: pathlib.Path(sys.argv[1]).write_text(str(pid))\n"
        "signal.pause()"
    )
    child = make_child(fork)
    start_all([child])
    grandchild = os.pidfd_open(int((tmp_path / "part.ready").read_text()))

    os.kill(child.pid, signal.SIGKILL)
    child.wait_stopped()

    assert ended(grandchild)
    os.close(grandchild)


def test_a_child_that_does_not_want_to_stop_is_killed(make_child: MakeChild) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + IDLE
    child = make_child(stubborn, grace_s=0.1)
    start_all([child])

    child.stop()

    assert child.ended() == "it was killed by SIGKILL"


def test_a_child_that_ends_is_named_with_its_last_words_and_its_log(
    make_child: MakeChild, tmp_path: Path
) -> None:
    child = make_child("import sys; print('no such host: issuer'); sys.exit(3)", name="site")

    with pytest.raises(StartFailed) as caught:
        start_all([child])

    assert str(caught.value) == (
        "site did not start: it exited with status 3\n"
        "  | no such host: issuer\n"
        f"  log: {tmp_path / 'log' / 'site.log'}"
    )


def test_a_child_that_never_gets_ready_is_named(make_child: MakeChild) -> None:
    child = make_child("import signal; signal.pause()", name="worker", start_timeout_s=0.2)

    with pytest.raises(StartFailed, match="worker did not start: it was not ready after"):
        start_all([child])


def test_a_program_that_does_not_exist_is_named(make_child: MakeChild) -> None:
    child = make_child("", name="site", argv=["/no/such/program"])

    with pytest.raises(StartFailed, match="/no/such/program: No such file or directory"):
        start_all([child])


def test_last_words_are_those_of_the_last_run(make_child: MakeChild) -> None:
    child = make_child("import sys; sys.exit('first')")
    with pytest.raises(StartFailed, match="first"):
        start_all([child])
    child.argv = [sys.executable, "-c", "import sys; sys.exit('second')"]

    with pytest.raises(StartFailed) as caught:
        start_all([child])

    assert "first" not in str(caught.value)


def test_the_callers_environment_stays_with_the_caller(
    make_child: MakeChild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebody's own")
    tell = "import json, os, pathlib, signal, sys; print(sorted(os.environ), flush=True);" + IDLE
    child = make_child(tell, env={"PORT": "1"})

    start_all([child])
    child.stop()

    told = (tmp_path / "log" / "part.log").read_text()
    assert "PORT" in told
    assert "AWS_SECRET_ACCESS_KEY" not in told


def test_a_log_is_readable_by_its_owner_only(make_child: MakeChild, tmp_path: Path) -> None:
    start_all([make_child(IDLE)])

    assert (tmp_path / "log" / "part.log").stat().st_mode & 0o777 == 0o600
