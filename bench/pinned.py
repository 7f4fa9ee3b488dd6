"""Become a program on one core, with as many open files as it may have.

`python -m bench.pinned CORE PROGRAM ARGUMENT...`
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def cores() -> tuple[int, int]:
    """Return the core for the load and its upstream, and the one for who is measured.

    On a machine with one they are the same.
    """
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def command(core: int, *argv: str) -> list[str]:
    """Return the arguments with which Python becomes `argv` on that core."""
    return ["-m", "bench.pinned", str(core), *argv]


def pin_all(programs: Sequence[int], core: int) -> None:
    """Move processes that run already to a core, with all their threads."""
    for pid in programs:
        with suppress(FileNotFoundError, ProcessLookupError):  # ended since it was listed
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})


def main() -> None:
    """Become the program that the arguments name."""
    core, program, *arguments = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.execv(shutil.which(program) or program, [program, *arguments])  # noqa: S606  (no shell)


if __name__ == "__main__":
    main()
