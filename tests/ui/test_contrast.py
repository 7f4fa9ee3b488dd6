"""Colours that meet are far enough apart, in both themes (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re

import pytest

from tests.ui.sources import STATIC

TEXT, SHAPE = 4.5, 3.0
PAPERS = ["paper", "surface", "raised", "hover"]
PAIRS = [
    *[(ink, paper, TEXT) for ink in ("ink", "quiet", "brand") for paper in PAPERS],
    *[("ink", f"{tone}-soft", TEXT) for tone in ("brand", "danger", "warning")],
    *[(tone, f"{tone}-soft", TEXT) for tone in ("brand", "danger", "warning")],
    *[("on-brand", fill, TEXT) for fill in ("brand", "brand-strong")],
    ("danger", "surface", TEXT),
    ("warning", "surface", TEXT),
    ("quiet", "sunken", TEXT),
    *[(f"code-{kind}", "sunken", TEXT) for kind in ("keyword", "string", "number", "name")],
    ("brand", "sunken", TEXT),
    ("danger", "sunken", TEXT),
    ("ink", "sunken", TEXT),
    ("quiet", "brand-soft", TEXT),
    ("edge", "surface", SHAPE),
    ("edge", "paper", SHAPE),
]


def colours() -> dict[str, tuple[str, str]]:
    text = (STATIC / "css" / "tokens.css").read_text()
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", text)
    return {name: (day, night) for name, day, night in found}


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("fore", "back", "least"), PAIRS)
def test_colours_that_meet_are_far_enough_apart(
    fore: str, back: str, least: float, theme: int
) -> None:
    known = colours()
    one, other = luminance(known[fore][theme]), luminance(known[back][theme])

    assert (max(one, other) + 0.05) / (min(one, other) + 0.05) >= least
