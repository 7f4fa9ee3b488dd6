"""How much memory programs hold."""

from __future__ import annotations

from pathlib import Path

from bench.cpu import below


def resident_mib(pid: int) -> float:
    """Return the resident memory of one process in MiB; none where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    kib = next((line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")), "0")
    return int(kib) / 1024


def heaviest_mib(program: int) -> float:
    """Return the resident memory of the largest of a process and all below it: the one that works.

    A server's first process only watches over that one.
    """
    return max(map(resident_mib, below(program)), default=0.0)
