"""How much processor time programs have used: what a busy machine blurs less than the clock."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Of /proc/PID/stat (proc_pid_stat(5)), counted from behind the name of the program.
_PARENT, _TIMES = 1, slice(11, 15)


def seconds_of(program: int) -> float:
    """Return what a process and all below it have used, those that ended included."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # ended since it was listed
            continue
        pid = int(path.parent.name)
        parents[pid] = int(fields[_PARENT])
        ticks[pid] = sum(map(int, fields[_TIMES]))
    return sum(ticks[pid] for pid in ticks if _is_below(pid, program, parents)) / _TICKS_A_SECOND


def _is_below(pid: int, program: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != program:
        pid = parents[pid]
    return pid == program
