"""AG-UI: a run's input is posted, and its events come back as a stream.

A refusal comes before the stream, with its status, in the words of the wire API. What goes wrong
after that can only be said in the stream: as the event with which the protocol ends a run.
"""

from __future__ import annotations

from typing import Any

from agents.gateway.protocols.protocol import Protocol
from core.errors import AppError


def _told(error: AppError, *, last: bytes | None, rpc_id: str | int | None) -> dict[str, Any]:
    """Return RUN_ERROR."""
    return {"type": "RUN_ERROR", "message": str(error.message), "code": error.code}


PROTOCOL = Protocol(path="/invocations", web_socket="/ws", broken=_told)
