"""The upstream of every candidate: an agent that answers at once, and the issuer of the tokens.

    python -m bench.proxies.upstream PORT KEYS

`POST` anywhere is answered with a small JSON document; one that accepts `text/event-stream` with
one event at once and then one every `every_s` seconds, `ticks` of them, as its JSON body says, and
without `ticks` until the other side leaves. KEYS is the issuer's JSON Web Key Set, a file.
`GET /seen` says how many streams are open, and how many requests there were.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import cast

import uvloop

from bench.http1 import chunk, message

_JSON = b'{"output": {"message": "hello"}, "usage": {"input": 12, "output": 3}}'
_EVENT = b'data: {"delta": "hello"}\n\n'
_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _whole(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


_ANSWER = _whole(_JSON)


class _Seen:
    """What came, and what an issuer publishes."""

    def __init__(self, port: int, keys: bytes) -> None:
        self.open = 0
        self.requests = 0
        issuer = issuer_at(port)
        told = {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
        self.published = {
            b"/.well-known/openid-configuration": json.dumps(told).encode(),
            b"/keys": keys,
        }

    def got(self, path: bytes) -> bytes:
        """Return the answer to a GET."""
        if path in self.published:
            return _whole(self.published[path])
        return _whole(json.dumps({"open": self.open, "requests": self.requests}).encode())


class _Connection(asyncio.Protocol):
    """Answers one request after the other."""

    def __init__(self, seen: _Seen) -> None:
        self._seen = seen
        self._received = b""
        self._ticking: asyncio.TimerHandle | None = None
        self._streams = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._received += data
        asked = message(self._received)
        if asked is None or self._transport is None:
            return
        self._received = b""
        head, body = asked
        if head.startswith(b"GET "):
            self._transport.write(self._seen.got(head.split(b" ", 2)[1]))
            return
        self._seen.requests += 1
        if b"text/event-stream" in head:
            self._begin(json.loads(body[body.index(b"{") : body.rindex(b"}") + 1]))
        else:
            self._transport.write(_ANSWER)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _begin(self, asked: dict[str, float]) -> None:
        self._seen.open += 1
        self._streams = True
        if self._transport is not None:
            self._transport.write(_STREAM + chunk(_EVENT))
        self._wait(asked["every_s"], asked.get("ticks"))

    def _wait(self, every_s: float, left: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._ticking = loop.call_later(every_s, self._tick, every_s, left)

    def _tick(self, every_s: float, left: float | None) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if left is not None and left <= 1:
            self._transport.write(chunk(_EVENT) + chunk(b""))
            self._end()
            return
        self._transport.write(chunk(_EVENT))
        self._wait(every_s, None if left is None else left - 1)

    def _end(self) -> None:
        if self._streams:
            self._seen.open -= 1
        self._streams = False
        if self._ticking is not None:
            self._ticking.cancel()


def issuer_at(port: int) -> str:
    """Return the issuer that the upstream at `port` is."""
    return f"http://127.0.0.1:{port}"


async def _serve(port: int, keys: bytes) -> None:
    seen = _Seen(port, keys)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(seen), "127.0.0.1", port, backlog=8192)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
