"""Finding any of many secrets in many bytes, in every form in which one is written down.

Eight bytes at every fourth place of the text are looked up in a set, which costs the interpreter
one call for megabytes. A pattern brings four windows, one for each way it may lie across these
places. They are of its end: tokens begin alike.
"""

from __future__ import annotations

import base64
import html
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

_WINDOW = 8
_STEP = 4
# Below this, a form would be found in what has nothing to do with it.
LEAST = 12


@dataclass(frozen=True)
class Found:
    """A secret at a place of a text; what it is, and never itself."""

    kind: str
    form: str
    at: int


class Search:
    """Patterns made of secrets, ready to be looked for."""

    def __init__(self, secrets: Iterable[tuple[bytes, str]]) -> None:
        self._patterns: dict[bytes, tuple[str, str]] = {}
        for secret, kind in secrets:
            for pattern, form in forms(secret):
                self._patterns.setdefault(pattern, (kind, form))
        self._windows: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
        for pattern in self._patterns:
            last = len(pattern) - _WINDOW
            for offset in range(last - _STEP + 1, last + 1):
                window = pattern[offset : offset + _WINDOW]
                self._windows[int.from_bytes(window, sys.byteorder)].append((pattern, offset))
        self._wanted = frozenset(self._windows)

    def __len__(self) -> int:
        return len(self._patterns)

    def within(self, text: bytes) -> Iterator[Found]:
        """Return each secret in `text`, once a place."""
        seen: set[tuple[int, bytes]] = set()
        for window in self._met(text):
            octets = window.to_bytes(_WINDOW, sys.byteorder)
            at = text.find(octets)
            while at >= 0:
                for pattern, offset in self._windows[window]:
                    start = at - offset
                    if start >= 0 and text.startswith(pattern, start):
                        seen.add((start, pattern))
                at = text.find(octets, at + 1)
        for start, pattern in sorted(seen):
            kind, form = self._patterns[pattern]
            yield Found(kind, form, start)

    def _met(self, text: bytes) -> set[int]:
        met: set[int] = set()
        for start in range(0, _WINDOW, _STEP):
            whole = max(0, len(text) - start) // _WINDOW * _WINDOW
            aligned = memoryview(text)[start : start + whole].cast("Q")
            met |= self._wanted.intersection(aligned)
        return met


def forms(secret: bytes) -> Iterator[tuple[bytes, str]]:
    """Return how a secret may be written, with the name of each form; none where it is short."""
    if len(secret) < LEAST:
        return
    yield secret, "as it is"
    yield secret.hex().encode(), "hex"
    for into in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            whole = into(b"\0" * before + secret)
            # Without the characters that tell of a neighbour too.
            piece = whole[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
            yield piece, "base64"
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return
    once = quote(text, safe="")
    yield once.encode(), "URL-encoded"
    yield quote(once, safe="").encode(), "URL-encoded twice"
    for ascii_only in (True, False):
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode(), "JSON"
    yield html.escape(text).encode(), "HTML"
