"""Plots as SVG, drawn here: columns over time, in the colours of whatever page they stand on.

Colours and type are the page's own, by the classes `plot`, `plot-column` and `plot-line`, so that a
plot follows the theme and needs no style of its own. A screen reader hears the title and a sentence
about it; the numbers belong into a table beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_WIDTH, _HEIGHT, _TOP, _BOTTOM = 320, 112, 18, 18
_GAP = 0.25  # of a column's room
_LEAST = 2.0  # what is not nothing is seen


def columns(
    values: Sequence[int], *, name: str, title: str, told: str, first: str, last: str
) -> SafeString:
    """Return a column for each of `values`, oldest first.

    `name` is unique on the page; `first` and `last` say when the first and the last column are;
    `told` is the sentence that stands for the picture.
    """
    highest = max(values, default=0)
    room = _WIDTH / max(len(values), 1)
    floor = _HEIGHT - _BOTTOM
    places = (
        ((at + _GAP / 2) * room, floor - tall, room * (1 - _GAP), tall)
        for at, tall in enumerate(_tall(value, highest) for value in values)
        if tall
    )
    drawn = ([f"{number:.1f}" for number in place] for place in places)
    return format_html(
        '<svg class="plot" viewBox="0 0 {width} {height}" role="img"'
        ' aria-labelledby="{name}-title {name}-told">'
        '<title id="{name}-title">{title}</title><desc id="{name}-told">{told}</desc>'
        '<line class="plot-line" x1="0" x2="{width}" y1="{floor}" y2="{floor}"/>{drawn}'
        '<text x="0" y="11">{highest}</text><text x="0" y="{height}" dy="-4">{first}</text>'
        '<text x="{width}" y="{height}" dy="-4" text-anchor="end">{last}</text></svg>',
        width=_WIDTH,
        height=_HEIGHT,
        floor=floor,
        name=name,
        title=title,
        told=told,
        highest=highest or "",
        first=first,
        last=last,
        drawn=format_html_join(
            "",
            '<rect class="plot-column" x="{}" y="{}" width="{}" height="{}" rx="1.5"/>',
            drawn,
        ),
    )


def _tall(value: int, highest: int) -> float:
    """Return how tall a column is, against the highest one; nothing has none."""
    if value <= 0:
        return 0.0
    return max(value / highest * (_HEIGHT - _TOP - _BOTTOM), _LEAST)
