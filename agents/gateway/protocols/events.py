"""Streams of events (HTML Living Standard section 9.2) that break off, and are ended with a word.

What goes wrong once an answer has begun can only be said in it: as the event that the protocol has
for that. A stream that simply stops leaves its reader to guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from agents.gateway.messages import Chunks
from core.errors import AppError

# What is said of the error, after the last event that passed, which is None where it was too large
# to be kept; None: nothing can be.
Tell = Callable[[AppError, bytes | None], Mapping[str, Any] | None]

_MAX_HELD_BYTES = 64 * 1024
# The empty line that ends an event (section 9.2.6). The groups are atomic: one CRLF is no two ends.
_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_END_BYTES = 4


async def ended(body: Chunks, tell: Tell) -> AsyncGenerator[bytes]:
    """Yield a stream of events; where it breaks off, end it with what `tell` says.

    Events pass whole, so that what is said then is an event of its own and not the end of half a
    one. One that is larger than 64 KiB passes as it comes; where it breaks off, nothing is said.

    Raises:
        AppError: it breaks off, and there is nothing to say.
    """
    held, passes_in_parts = bytearray(), False
    last: bytes | None = b""
    try:
        async with aclosing(body) as chunks:
            async for chunk in chunks:
                # What was looked at before has no end in it; one may have begun there.
                begin = max(len(held) - _END_BYTES + 1, 0)
                held += chunk
                ends = [match.end() for match in _END.finditer(held, begin)]
                whole = ends[-1] if ends else 0
                if ends:
                    last = bytes(held[ends[-2] if len(ends) > 1 else 0 : whole])
                    if passes_in_parts and len(ends) == 1:
                        last = None
                    passes_in_parts = False
                if len(held) - whole > _MAX_HELD_BYTES:
                    whole = len(held)
                    passes_in_parts = True
                if whole:
                    passing = bytes(held[:whole])
                    del held[:whole]
                    yield passing
    except AppError as error:
        told = None if passes_in_parts else tell(error, last)
        if told is None:
            raise
        yield f"data: {json.dumps(told)}\n\n".encode()
        return
    if held:
        yield bytes(held)


def lines_of(event: bytes, field: str) -> list[bytes]:
    """Return the values of a field of an event."""
    named = f"{field}:".encode()
    found = [line for line in re.split(rb"\r\n|\n|\r", event) if line.startswith(named)]
    return [line.removeprefix(named).removeprefix(b" ") for line in found]
