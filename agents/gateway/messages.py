"""What goes into the gateway and what comes out, whoever carries it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from core.errors import AppError, InvalidRequest
from core.wire import respond
from core.wire.respond import Headers

# How long a request that has no body may take to say so.
_BODILESS_S = 5.0


class ClientGone(Exception):
    """The client went away before its request was whole."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One request for an agent.

    The path is as it was sent. Header names are lower case; a value has one character for each
    octet, as HTTP has it (latin-1).
    """

    method: str
    raw_path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: AsyncIterator[bytes]

    def header(self, name: str) -> str | None:
        """Return the one value of header `name` (lower case), or None.

        Raises:
            InvalidRequest: it stands more than once, so that which one counts is anybody's guess.
        """
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise InvalidRequest(f"The header {name!r} stands more than once.")
        return values[0] if values else None


async def refuse_body(inbound: Inbound) -> None:
    """Return once it is known that a request has no body.

    Nothing is known of who sends it, so one that is announced is not waited for.

    Raises:
        InvalidRequest: it has one, or does not say in time that it has none.
    """
    announced = inbound.header("transfer-encoding") or inbound.header("content-length") or "0"
    try:
        async with asyncio.timeout(_BODILESS_S):
            if announced == "0" and await anext(aiter(inbound.body), None) is None:
                return
    except TimeoutError:
        pass
    raise InvalidRequest("A request of this method has no body.")


class Chunks(Protocol):
    """A body as it is made, which whoever reads it closes.

    An async generator is one. On the way of every call none is used: the event loop notes and
    forgets each of them, which costs more than what it yields.
    """

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself."""

    async def __anext__(self) -> bytes:
        """Return the next chunk."""

    async def aclose(self) -> None:
        """Make no more of it; a second time, do nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and headers are there at once; the body comes as it is made.

    `error` is the refusal that this is, for a caller in this process. `length` is that of the body
    where the headers say it.
    """

    status: int
    headers: Headers
    body: Chunks
    error: AppError | None = None
    length: int | None = None


async def one_chunk(chunk: bytes) -> AsyncGenerator[bytes]:
    """Yield a body that is there already."""
    yield chunk


def refusal(error: AppError, *, request_id: str, extra: Mapping[str, str] | None = None) -> Answer:
    """Return the wire API's answer to `error`, with headers of its own in `extra`."""
    response = respond.failure(error, request_id=request_id)
    sent = [*response.headers, *(extra or {}).items()]
    return Answer(response.status, sent, one_chunk(response.body), error)
