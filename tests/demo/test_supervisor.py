import os
import signal
import sys
from pathlib import Path

import pytest

from demo.run import command
from demo.run.supervisor import KEEPS_ENDING, StopRequested, Supervisor, Watched, tend
from embedded.process import StartFailed
from tests.children import IDLE, MakeChild


def test_being_told_to_stop_stops_every_child(make_child: MakeChild, tmp_path: Path) -> None:
    one, two = make_child(IDLE, name="one"), make_child(IDLE, name="two")

    with pytest.raises(StopRequested), Supervisor(tmp_path) as supervisor:
        supervisor.bring_up(one)
        supervisor.bring_up(two)
        os.kill(os.getpid(), signal.SIGTERM)
        supervisor.watch()

    assert not one.is_running()
    assert not two.is_running()


def test_being_told_to_stop_is_heard_while_a_child_is_not_ready(
    make_child: MakeChild, tmp_path: Path
) -> None:
    slow = make_child("import signal; signal.pause()")

    with pytest.raises(StopRequested), Supervisor(tmp_path) as supervisor:
        os.kill(os.getpid(), signal.SIGINT)
        supervisor.bring_up(slow)

    assert not slow.is_running()


def test_a_failed_start_stops_what_was_started(make_child: MakeChild, tmp_path: Path) -> None:
    well, ill = make_child(IDLE, name="well"), make_child("import sys; sys.exit(1)", name="ill")

    with pytest.raises(StartFailed, match="ill did not start"), Supervisor(tmp_path) as supervisor:
        supervisor.bring_up(well)
        supervisor.bring_up(ill)

    assert not well.is_running()


def test_an_errand_is_waited_for_and_its_answer_kept(make_child: MakeChild, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    errand = make_child("print(42)", errand=True, output=answer)

    with Supervisor(tmp_path) as supervisor:
        supervisor.bring_up(errand)

    assert answer.read_text() == "42\n"
    assert answer.stat().st_mode & 0o777 == 0o600


def test_an_errand_that_fails_ends_the_start(make_child: MakeChild, tmp_path: Path) -> None:
    errand = make_child("import sys; sys.exit('no such table')", errand=True)

    with pytest.raises(StartFailed, match="no such table"), Supervisor(tmp_path) as supervisor:
        supervisor.bring_up(errand)


def test_a_child_that_is_killed_is_started_again(
    make_child: MakeChild, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    child = make_child(IDLE, name="worker")
    with Supervisor(tmp_path) as supervisor:
        supervisor.bring_up(child)
        first = child.pid
        (tmp_path / "worker.ready").unlink()
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        watched = Watched(child, tmp_path / "worker.pid", ready=True)

        tend(watched, now=child.started_at + 1)
        assert not watched.pid_file.exists()
        tend(watched, now=child.started_at + 1.4)
        assert not child.is_running()
        tend(watched, now=child.started_at + 1.6)
        assert child.is_running()
        assert child.pid != first
        (tmp_path / "worker.ready").touch()
        tend(watched, now=child.started_at)
        assert watched.pid_file.read_text() == f"{child.pid}\n"

    assert capsys.readouterr().out.splitlines() == [
        "worker ended: it was killed by SIGKILL; starting it again in 0.5 s",
        "worker is back",
    ]


def test_a_child_that_keeps_ending_is_named_with_its_log_and_tried_less_and_less_often(
    make_child: MakeChild, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    child = make_child("import sys; sys.exit('no route to the database')", name="beat")
    child.start()
    watched = Watched(child, tmp_path / "beat.pid", ready=True)
    now = child.started_at
    for _ in range(KEEPS_ENDING):
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        tend(watched, now=now)
        assert watched.start_at is not None
        now = watched.start_at
        tend(watched, now=now)

    said = capsys.readouterr().out
    assert [f"again in {delay} s" in said for delay in ("0.5", "1", "2")] == [True] * 3
    assert said.count("beat keeps ending") == 1
    assert "  | no route to the database" in said
    assert f"log: {child.log}" in said


def test_a_child_that_was_well_for_long_is_started_again_soon(
    make_child: MakeChild, tmp_path: Path
) -> None:
    child = make_child(IDLE)
    child.start()
    watched = Watched(child, tmp_path / "part.pid", ready=True, failures=5)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    tend(watched, now=child.started_at + 3600)

    assert watched.failures == 1


def test_the_command_says_what_is_wrong_with_a_port_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", "eighty")
    monkeypatch.setattr(sys, "argv", ["demo", "--home", str(tmp_path)])

    assert command.main() == 1

    assert "PORT is 'eighty'" in capsys.readouterr().out
    assert not (tmp_path / "postgres").exists()
