"""What goes into the gateway and what comes out, whoever carries it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

from core.errors import AppError, InvalidRequest
from core.wire import respond
from core.wire.respond import Headers


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


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and headers are there at once; the body comes as it is made.

    `error` is the refusal that this is, for a caller in this process. `length` is that of the body
    where the headers say it.
    """

    status: int
    headers: Headers
    body: AsyncGenerator[bytes]
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
