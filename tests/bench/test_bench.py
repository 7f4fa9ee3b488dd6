"""The bench runs. What it measures is nobody's assertion: a busy machine would decide."""

import subprocess
import sys

from tests.engines import CHECKOUT


def test_it_measures_token_reads_and_prints_a_table() -> None:
    tiny = ["--only", "token_read", "--seconds", "0.3", "--connections", "2", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *tiny, "--grants", "5", "20"],
        check=False,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=240,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert "| token read, 5 grants |" in done.stdout
    assert "| token read, 20 grants |" in done.stdout
