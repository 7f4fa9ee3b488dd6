"""Bars as SVG, readable on a light page and on a dark one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from bench.report import Found

_WIDTH, _LABELS, _VALUES, _BAR, _GAP, _TITLE = 760, 250, 90, 18, 8, 34
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.bar { fill: #6e7781; }
.ours { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .bar { fill: #848d97; }
  .ours { fill: #58a6ff; }
}
"""


@dataclass(frozen=True)
class Bars:
    """One group of bars: what, how much, and how that is written."""

    title: str
    bars: Sequence[tuple[str, float, str]]


def of(found: Found) -> str:
    """Return the plot of a run: rates, and what is added to the first token."""
    groups = [
        Bars(
            "Requests a second, each on one core",
            [(row.what, row.per_second, f"{row.per_second:,.0f}") for row in found.rows],
        )
    ]
    for table in found.tables:
        for column, title in (("added p50", "p50"), ("added p99", "p99")):
            if column in table.columns:
                at = list(table.columns).index(column)
                bars = [(row[0], float(row[at]), f"{row[at]} ms") for row in table.rows if row[at]]
                groups.append(Bars(f"Added to the first token, {title}", bars))
    return drawn(groups)


def drawn(groups: Sequence[Bars]) -> str:
    """Return groups of bars, one below the other, each on a scale of its own."""
    parts: list[str] = []
    y = 0
    for group in groups:
        y += _TITLE
        parts.append(_text(0, y - 10, group.title, "title"))
        longest = max((value for _, value, _ in group.bars), default=0.0)
        for what, value, told in group.bars:
            length = _length(value, longest)
            kind = "bar ours" if "gateway" in what else "bar"
            parts.append(_text(0, y + _BAR - 4, what))
            parts.append(
                f'<rect class="{kind}" x="{_LABELS}" y="{y}" width="{length:.1f}" height="{_BAR}"/>'
            )
            parts.append(_text(_LABELS + length + 6, y + _BAR - 4, told))
            y += _BAR + _GAP
    told = "; ".join(group.title for group in groups)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" '
        f'width="{_WIDTH}" height="{y}" role="img" aria-label="{escape(told)}">'
    )
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>"]) + "\n"


def _length(value: float, longest: float) -> float:
    """Return how long a bar is. What is below nothing, as noise may be, has none."""
    if longest <= 0:
        return 0.0
    return max(value, 0.0) / longest * (_WIDTH - _LABELS - _VALUES)


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y}">{escape(text)}</text>'
