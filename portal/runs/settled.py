"""The HTML of answers that no longer change, made once in a process instead of once in a view.

It is kept nowhere but in memory: no row and no cache holds HTML that a newer version of the site
would have made otherwise, and nobody but this process can put any here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from portal.runs import markdown

# Some hundred answers of the greatest length, or tens of thousands of ordinary ones.
_MAX_CHARS = 16_000_000

_lock = threading.Lock()
_kept: OrderedDict[str, tuple[str, ...]] = OrderedDict()  # the one that was asked for last is last
_size = 0


def blocks_of(text: str) -> tuple[str, ...]:
    """Return the HTML of each block of `text`, as `markdown.render` makes it."""
    global _size  # noqa: PLW0603  (what is kept is the process's, and so is its size)
    with _lock:
        if text in _kept:
            _kept.move_to_end(text)
            return _kept[text]
    blocks = tuple(markdown.render(text))
    with _lock:
        if text not in _kept:
            _kept[text] = blocks
            _size += _size_of(text, blocks)
        while _size > _MAX_CHARS:
            _size -= _size_of(*_kept.popitem(last=False))
    return blocks


def forget() -> None:
    """Forget what is kept."""
    global _size  # noqa: PLW0603
    with _lock:
        _kept.clear()
        _size = 0


def _size_of(text: str, blocks: tuple[str, ...]) -> int:
    return len(text) + sum(map(len, blocks))
