"""The bench runs. What it measures is nobody's assertion: a busy machine would decide."""

import os
import signal
import sys
from pathlib import Path

from tests.children import PATIENCE_S, all_gone_afterwards, below, printed_until, started

TINY = (
    *(sys.executable, "-m", "bench", "--only", "token_read", "--seconds", "0.3"),
    *("--connections", "2", "--workers", "1", "--grants", "5"),
)
# Long enough to be stopped meanwhile.
UNDER_WAY = (*TINY, "--seconds", "5")


def room_of(bench: int) -> int:
    """Return the process that measures for a bench."""
    [room] = [
        pid for pid in below(bench) if b"bench.room" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return room


def test_it_measures_token_reads_and_holds_many_grants_against_few() -> None:
    with started(*TINY, "20") as bench:
        said, _ = bench.communicate(timeout=240)

    assert bench.returncode == 0, said
    assert "| token read, 5 grants |" in said
    [many] = [line for line in said.splitlines() if line.startswith("| token read, 20 grants |")]
    ratios = many.split("|")[-2].split(";")
    assert [ratio.strip().partition(" ")[2] for ratio in ratios] == [
        "bare loop of SELECT and INSERT",
        "bare server, a constant",
        "token read, 5 grants",
    ]


def test_a_part_that_ends_before_its_time_is_told_of_beside_what_was_measured() -> None:
    with started(*UNDER_WAY) as bench:
        printed_until("token_read: bare server, a constant", bench)
        with all_gone_afterwards(bench):
            os.kill(room_of(bench.pid), signal.SIGKILL)
            said, _ = bench.communicate(timeout=PATIENCE_S)

    assert bench.returncode == 1
    assert "Not measured: token_read: it was killed by SIGKILL" in said
    assert "| bare loop of SELECT and INSERT |" in said
    assert "| token read" not in said


def test_stopping_it_leaves_no_process_and_prints_what_was_measured() -> None:
    with started(*UNDER_WAY) as bench:
        printed_until("token_read: bare server, a constant", bench)
        with all_gone_afterwards(bench):
            bench.send_signal(signal.SIGINT)
            said, _ = bench.communicate(timeout=PATIENCE_S)

    assert bench.returncode == 1
    assert "Not measured: stopped before the end" in said
    assert "| bare loop of SELECT and INSERT |" in said
    assert "Traceback" not in said
