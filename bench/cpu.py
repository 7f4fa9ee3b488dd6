"""How much processor time programs have used: what a busy machine blurs less than the clock."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Of /proc/PID/stat (proc_pid_stat(5)), counted from behind the name of the program.
_PARENT, _TIMES = 1, slice(11, 15)


def seconds_of(program: int) -> float:
    """Return what a process and all below it have used, those that ended included."""
    return sum(used for used, _ in _processes(program).values()) / _TICKS_A_SECOND


def below(program: int) -> list[int]:
    """Return a process and all below it."""
    return sorted(_processes(program))


class Meanwhile:
    """What the machine does besides this process and all below it, from now on."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._busy, self._own = _busy_s(), seconds_of(os.getpid())

    def others(self) -> float:
        """Return how many cores others have used since, on average."""
        own = seconds_of(os.getpid()) - self._own
        passed_s = max(time.monotonic() - self._at, 1 / _TICKS_A_SECOND)
        return max(_busy_s() - self._busy - own, 0.0) / passed_s


def _busy_s() -> float:
    """Return the processor time that was spent on anything since the machine started."""
    first, *_ = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
    user, nice, system, _idle, _waiting, *rest = map(int, first.split()[1:9])
    return (user + nice + system + sum(rest)) / _TICKS_A_SECOND


def _processes(program: int) -> dict[int, tuple[int, int]]:
    """Return the ticks and the parent of a process and of all below it."""
    known: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # ended since it was listed
            continue
        known[int(path.parent.name)] = (sum(map(int, fields[_TIMES])), int(fields[_PARENT]))
    return {pid: told for pid, told in known.items() if _is_below(pid, program, known)}


def _is_below(pid: int, program: int, known: dict[int, tuple[int, int]]) -> bool:
    while pid in known and pid != program:
        pid = known[pid][1]
    return pid == program
