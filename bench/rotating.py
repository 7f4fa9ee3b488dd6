"""A token endpoint that takes its time and rotates.

    python -m bench.rotating PORT LATENCY_S EXPIRES_S

`POST /` exchanges a refresh token, once; `GET /` says as JSON how many were exchanged, and how many
were shown to it again.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from typing import cast
from urllib.parse import parse_qs

import uvloop

from bench.http1 import message


class _Seen:
    """What was exchanged."""

    def __init__(self, expires_s: int) -> None:
        self._expires_s = expires_s
        self.spent: set[int] = set()
        self.again = 0

    def answer(self, form: str) -> dict[str, object]:
        """Return new tokens for the one in `form`, or that it was spent."""
        token = hash(parse_qs(form)["refresh_token"][0])
        if token in self.spent:
            self.again += 1
            return {"error": "invalid_grant"}
        self.spent.add(token)
        return {
            "access_token": secrets.token_urlsafe(48),
            "refresh_token": secrets.token_urlsafe(48),
            "token_type": "Bearer",
            "expires_in": self._expires_s,
        }


class _Connection(asyncio.Protocol):
    """Answers one request after the other, each POST after the latency."""

    def __init__(self, seen: _Seen, latency_s: float) -> None:
        self._seen = seen
        self._latency_s = latency_s
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._received += data
        asked = message(self._received)
        if asked is None:
            return
        head, form = asked
        if head.startswith(b"GET"):
            said = {"spent": len(self._seen.spent), "again": self._seen.again}
            self._send(json.dumps(said).encode())
            return
        answer = json.dumps(self._seen.answer(form.decode())).encode()
        asyncio.get_running_loop().call_later(self._latency_s, self._send, answer)

    def _send(self, body: bytes) -> None:
        self._received = b""
        if self._transport is not None and not self._transport.is_closing():
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            self._transport.write(head % len(body) + body)


async def _serve(port: int, latency_s: float, expires_s: int) -> None:
    seen = _Seen(expires_s)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(seen, latency_s), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
