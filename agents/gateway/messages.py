"""What goes into the gateway and what comes out, whoever carries it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

from core.errors import AppError, InvalidRequest

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Inbound:
    """One request for an agent. Header names are lower case; the path is as it was sent."""

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
    """Status and headers are there at once; the body comes as it is made."""

    status: int
    headers: Headers
    body: AsyncGenerator[bytes]


async def _one(chunk: bytes) -> AsyncGenerator[bytes]:
    yield chunk


def refusal(error: AppError, *, request_id: str, extra: Mapping[str, str] | None = None) -> Answer:
    """Return the wire API's error for `error`: never more than its safe sentence."""
    # The wire API has no 413: a body that is too large is a ValidationException.
    status = 400 if error.aws == "ValidationException" else error.status
    body: dict[str, object] = {"message": str(error.message)}
    if isinstance(error, InvalidRequest):
        body["reason"] = error.reason
    headers = [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-amzn-errortype", error.aws),
        ("x-amzn-requestid", request_id),
        *(extra or {}).items(),
    ]
    return Answer(status, headers, _one(json.dumps(body).encode()))
