"""AG-UI: a run's input is posted, and its events come back as a stream.

A refusal comes before the stream, with its status, in the words of the wire API. What goes wrong
after that can only be said in the stream: as the event with which the protocol ends a run.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from agents.gateway.protocols.protocol import Protocol
from core.errors import AppError

_MAX_HELD_BYTES = 64 * 1024
# The empty line that ends an event (HTML Living Standard section 9.2.6).
_END = re.compile(rb"(?:\r\n|\n|\r)(?:\r\n|\n|\r)")


async def _ended_by_an_event(body: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Yield a stream of events; where it breaks off, end it with RUN_ERROR.

    Events pass whole, so that what is said then is an event of its own and not the end of half a
    one. One that is larger than 64 KiB passes as it comes.
    """
    held = b""
    try:
        async with aclosing(body) as chunks:
            async for chunk in chunks:
                held += chunk
                whole = max((match.end() for match in _END.finditer(held)), default=0)
                if len(held) - whole > _MAX_HELD_BYTES:
                    whole = len(held)
                if whole:
                    yield held[:whole]
                    held = held[whole:]
    except AppError as error:
        told = {"type": "RUN_ERROR", "message": str(error.message), "code": error.code}
        yield f"data: {json.dumps(told)}\n\n".encode()
        return
    if held:
        yield held


PROTOCOL = Protocol(path="/invocations", web_socket="/ws", ended_by=_ended_by_an_event)
