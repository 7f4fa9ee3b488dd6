"""The calls of tools that an agent tells of, whichever protocol it tells them in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from portal.readable import readable, readable_lines
from portal.runs import inputs
from portal.runs.decoded import ToolCalled, ToolEnded, ToolStarted

_MAX_TITLE_CHARS = 80
MAX_ID_CHARS = 128
# Each is a part of the answer, which is stored with it.
_MAX_CALLS = 200


class Calls:
    """The calls of one answer: each begins once, and what it was called with is told once."""

    def __init__(self) -> None:
        # What came of each input; None: it was told.
        self._inputs: dict[str, str | None] = {}

    def start(self, call_id: Any, name: Any) -> Iterator[ToolStarted]:
        """Tell that a tool is called, unless that is known or nothing of its name can be read."""
        if not isinstance(call_id, str) or not isinstance(name, str):
            return
        call_id, title = call_id[:MAX_ID_CHARS], title_from(name)
        if not title or call_id in self._inputs or len(self._inputs) >= _MAX_CALLS:
            return
        self._inputs[call_id] = ""
        yield ToolStarted(call_id, title, readable(name)[:_MAX_TITLE_CHARS])

    def take(self, call_id: Any, piece: Any) -> None:
        """Take more of what the tool is called with."""
        before = self._of(call_id)
        if before is not None and isinstance(piece, str):
            # One character more says that it was too long.
            self._inputs[call_id[:MAX_ID_CHARS]] = (before + piece)[: inputs.MAX_CHARS + 1]

    def put(self, call_id: Any, value: Any) -> None:
        """Take what the tool is called with as a whole, in the place of what came of it."""
        if self._of(call_id) is not None and value is not None:
            self._inputs[call_id[:MAX_ID_CHARS]] = _text_of(value)[: inputs.MAX_CHARS + 1]

    def tell(self, call_id: Any) -> Iterator[ToolCalled]:
        """Tell what the tool was called with, as it may be shown, unless that was told."""
        came = self._of(call_id)
        if came is not None and (shown := readable_lines(inputs.shown(came))):
            self._inputs[call_id[:MAX_ID_CHARS]] = None
            yield ToolCalled(call_id[:MAX_ID_CHARS], shown)

    def end(self, call_id: Any, *, succeeded: bool) -> Iterator[ToolCalled | ToolEnded]:
        """Tell that a tool gave its result."""
        if isinstance(call_id, str) and call_id[:MAX_ID_CHARS] in self._inputs:
            yield from self.tell(call_id)
            yield ToolEnded(call_id[:MAX_ID_CHARS], succeeded)

    def _of(self, call_id: Any) -> str | None:
        return self._inputs.get(call_id[:MAX_ID_CHARS]) if isinstance(call_id, str) else None


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "{"  # as what is not whole: deeper than anybody reads


def title_from(name: str) -> str:
    """Return the name of a tool as people read it; empty where nothing of it can be read."""
    words = readable(name.replace("_", " ").replace("-", " "))
    return " ".join(words.split()).capitalize()[:_MAX_TITLE_CHARS]
