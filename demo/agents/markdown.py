"""Tables in markdown from text that somebody else wrote."""

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_{}<>#+!|~$])")
# A backslash before a bracket begins a formula in many chats.
_BRACKETS = str.maketrans({"[": "&#91;", "]": "&#93;"})


def plain(text: str) -> str:
    """Return `text` on one line, so that it reads as it is and forms no link, tag or column."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()).replace("&", "&amp;")).translate(_BRACKETS)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are made plain."""
    lines = [header, ["---"] * len(header), *([plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
