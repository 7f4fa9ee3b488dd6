"""What people see of words that others wrote: of tools, files and questions."""

from __future__ import annotations

import unicodedata

# Unseen too, but some scripts are not written without them.
_JOINERS = frozenset("\u200c\u200d")
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})  # controls, what turns the direction, lone surrogates
_MAX_NAME_CHARS = 1024


def readable(name: str) -> str:
    """Return what is seen of a name, in one line."""
    return " ".join(
        "".join(c for c in name[:_MAX_NAME_CHARS] if c.isspace() or _is_seen(c)).split()
    )


def readable_lines(text: str) -> str:
    """Return what is seen of a text, in its lines."""
    return "".join(c for c in text if c == "\n" or _is_seen(c))


def _is_seen(c: str) -> bool:
    return c in _JOINERS or unicodedata.category(c) not in _UNSEEN
