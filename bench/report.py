"""The table, and the machine that it is about."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LEAST_MS = 0.005


@dataclass(frozen=True)
class Row:
    """One line of the table. `baselines`: the rows of the same run that it is held against."""

    what: str
    per_second: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    refused: int = 0
    cpu_ms: dict[str, float] = field(default_factory=dict)  # of each program, for each request
    baselines: Sequence[str] = ()
    note: str = ""  # below the table


@dataclass(frozen=True)
class Table:
    """A table of its own, for what is no rate. Its first column says what, the others how much."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Return it in Markdown, below its title."""
        rule = ["---", *("---:" for _ in self.columns[1:])]
        return "\n".join([f"### {self.title}\n", *map(_line, [self.columns, rule, *self.rows])])


@dataclass
class Found:
    """All that a run has measured so far, and what it could not."""

    rows: list[Row] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it in Markdown; what failed is told apart from it."""
        rates = [table(self.rows)] if self.rows or not self.tables else []
        return "\n\n".join([*rates, *(each.text() for each in self.tables), *self.notes])


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown, each with its ratios, and below it what they note."""
    rate = {row.what: row.per_second for row in rows}
    lines = [
        "| what | a second | p50 ms | p99 ms | CPU ms each | not answered | ratio to |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        ratios = [
            f"{row.per_second / rate[base]:.2f} {base}" for base in row.baselines if rate.get(base)
        ]
        lines.append(
            f"| {row.what} | {row.per_second:,.0f} | {_ms(row.p50_ms)} | {_ms(row.p99_ms)} "
            f"| {_cpu_ms(row)} | {row.refused} | {'; '.join(ratios)} |"
        )
    lines += [f"\n{row.what}: {row.note}" for row in rows if row.note]
    return "\n".join(lines)


def machine() -> str:
    """Return what the numbers were measured on, and how busy it was with other things."""
    return (
        f"{_cpu()}, {os.cpu_count()} cores; Python {platform.python_version()}; "
        f"load average before: {os.getloadavg()[0]:.2f}"
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _cpu_ms(row: Row) -> str:
    shares = [f"{name} {ms:.2f}" for name, ms in row.cpu_ms.items() if ms >= _LEAST_MS]
    return f"{sum(row.cpu_ms.values()):.2f}: {', '.join(shares)}" if shares else ""


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
