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
GATEWAY = (
    *(sys.executable, "-m", "bench", "--only", "gateway", "--candidates", "unrecorded", "gateway"),
    *("--rounds", "1", "--rate-seconds", "0.3", "--rate-connections", "2", "--tokens", "20"),
    *("--people", "2", "--streams", "2", "--stream-seconds", "0.3", "--open", "3"),
    *("--requests", "20", "--requests-seconds", "30"),
)
SCREEN = (sys.executable, "-m", "bench", "--only", "screen", "--answers", "2")
# Long enough to be stopped meanwhile.
UNDER_WAY = (*TINY, "--seconds", "5")


def room_of(bench: int) -> int:
    """Return the process that measures for a bench; what it starts is called alike for a moment."""
    return min(
        pid for pid in below(bench) if b"bench.room" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )


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


def test_it_times_first_words_until_they_are_on_the_screen() -> None:
    with started(*SCREEN) as bench, all_gone_afterwards(bench):
        said, _ = bench.communicate(timeout=240)

    assert bench.returncode == 0, said
    for row in ("| a page that adds a word | 2 |", "| the chat | 2 |"):
        assert row in said


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


def test_it_measures_the_gateway_and_what_recording_costs(tmp_path: Path) -> None:
    with started(*GATEWAY, "--into", str(tmp_path)) as bench:
        said, _ = bench.communicate(timeout=240)

    assert bench.returncode == 0, said
    assert "Without" not in said
    [row] = [line for line in said.splitlines() if line.startswith("| this gateway | ")][:1]
    assert row.split("|")[-2].strip().endswith("this gateway, recording nothing")
    assert "proxy " in row
    assert "### First token, 2 streams at once" in said
    assert "| this gateway | 3 |" in said
    assert "### Memory after requests" in said
    assert row in (tmp_path / "gateway.md").read_text(encoding="utf-8").splitlines()


def test_stopping_it_leaves_none_of_the_proxies() -> None:
    with started(*GATEWAY, "--rate-seconds", "5") as bench:
        printed_until("gateway: this gateway: 5 s", bench)
        with all_gone_afterwards(bench):
            bench.send_signal(signal.SIGINT)
            said, _ = bench.communicate(timeout=PATIENCE_S)

    assert bench.returncode == 1
    assert "Not measured: stopped before the end" in said
