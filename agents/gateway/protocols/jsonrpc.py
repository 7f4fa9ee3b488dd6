"""What the protocols on JSON-RPC 2.0 share: the id of a request, and an error that answers it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

from agents.gateway.messages import Answer, one_chunk
from agents.gateway.protocols.events import lines_of
from core.errors import AppError
from core.wire import respond

_MAX_KEPT_BYTES = 64 * 1024
_MAX_ID_CHARS = 256
# A stranger who keeps the rest of a request to themselves is answered without its id.
_PATIENCE_S = 1.0


class Heard:
    """A request's body as it passes. Its beginning is kept, for the id that a refusal answers."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._kept = bytearray()
        self._begun = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself: a body is read once."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk."""
        self._begun = True
        chunk = await anext(self._chunks)
        self._kept += chunk[: max(0, _MAX_KEPT_BYTES - len(self._kept))]
        return chunk

    async def id(self) -> str | int | None:
        """Return the id of the request, or None where there is none or it cannot be had.

        Reads the body where nobody did: 64 KiB of it, for a second.
        """
        if not self._begun:
            with suppress(TimeoutError, StopAsyncIteration):
                async with asyncio.timeout(_PATIENCE_S):
                    while len(self._kept) < _MAX_KEPT_BYTES:
                        await anext(self)
        return self.known_id()

    def known_id(self) -> str | int | None:
        """Return the id of the request, of what was read of it, or None."""
        return _id_in(bytes(self._kept))


def _id_in(body: bytes) -> str | int | None:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = request.get("id") if isinstance(request, dict) else None
    if isinstance(found, str) and len(found) <= _MAX_ID_CHARS:
        return found
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def failure(
    error: AppError,
    *,
    code: int,
    status: int | None,
    rpc_id: str | int | None,
    request_id: str,
    extra: Mapping[str, str],
) -> Answer:
    """Return `error` as a JSON-RPC error (section 5.1); without a status, with the wire API's."""
    plain = respond.failure(error, request_id=request_id)
    told = _error(rpc_id, code, json.loads(plain.body)["message"])
    body = json.dumps(told).encode()
    headers = [pair for pair in plain.headers if pair[0] != "content-length"]
    sent = [*headers, ("content-length", str(len(body))), *extra.items()]
    return Answer(status or plain.status, sent, one_chunk(body), error)


def broken(
    error: AppError, *, code: int, last: bytes | None, rpc_id: str | int | None
) -> dict[str, Any] | None:
    """Return the error that ends a stream of answers to a request, or None: nobody may be told.

    A stream whose events have ids is one that the client takes up again where it broke off, and
    after an error it would not. One that was too large to be kept may have had one.
    """
    return (
        None if last is None or lines_of(last, "id") else _error(rpc_id, code, str(error.message))
    )


def answers(event: bytes, rpc_id: str | int | None) -> bool:
    """Say whether an event is the answer to a request."""
    try:
        told = json.loads(b"\n".join(lines_of(event, "data")))
    except (ValueError, RecursionError):
        return False
    is_answer = isinstance(told, dict) and ("result" in told or "error" in told)
    return is_answer and told.get("id") == rpc_id


def _error(rpc_id: str | int | None, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": rpc_id, "error": {"code": code, "message": message}}
