"""What the processes of the bench say is heard, and how they end."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.children import Failed, answer, answering, answers
from embedded.process import Child

Says = Callable[[str, str], Child]


@pytest.fixture
def says(tmp_path: Path) -> Iterator[Says]:
    lifeline = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    env = {"BENCH_HOME": str(tmp_path), "BENCH_LIFELINE": str(lifeline)}
    yield lambda name, code: answering(name, ["-c", code], env)
    os.close(lifeline)


def test_it_hears_all_that_processes_say_until_they_have_ended(says: Says) -> None:
    processes = [says("one", "print(1); print(2)"), says("two", "print(3)")]

    assert sorted(answers(processes)) == [1, 2, 3]
    assert [process.ended() for process in processes] == ["it exited with status 0"] * 2


def test_it_tells_how_a_process_ended_that_was_killed_within_a_line(says: Says) -> None:
    killed = "import os; os.write(1, b'1\\n[2, '); os.kill(os.getpid(), 15)"
    other = says("other", "import signal; signal.pause()")

    with pytest.raises(Failed, match="load: it was killed by SIGTERM"):
        list(answers([says("load", killed), other]))

    assert not other.is_running()


def test_what_was_said_before_a_bad_end_has_been_heard(says: Says) -> None:
    heard = answers([says("load", "print(1, flush=True); raise SystemExit('worn out')")])

    assert next(heard) == 1
    with pytest.raises(Failed, match=r"load: it exited with status 1\n  \| worn out"):
        next(heard)


def test_it_refuses_what_is_no_json(says: Says) -> None:
    with pytest.raises(Failed, match="load: it said what is no JSON: 'hello'"):
        answer(says("load", "print('hello')"))


@pytest.mark.parametrize(("code", "things"), [("pass", 0), ("print(1); print(2)", 2)])
def test_it_refuses_another_number_of_answers_than_one(says: Says, code: str, things: int) -> None:
    with pytest.raises(Failed, match=f"load: it ended and said {things} things instead of one"):
        answer(says("load", code))
