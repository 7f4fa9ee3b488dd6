"""A lean load generator: a fixed number of connections, each with one request under way.

    python -m bench.load PORT SECONDS CONNECTIONS REQUESTS

REQUESTS is a file of whole HTTP requests, as a JSON list of strings; they are sent in turn, over
and over. Printed as JSON: how many were answered with 200, how many were not, and the times from
the first byte sent to the last one read, in milliseconds. Only `answers` and `cpu_s`, the processor
time that this took, tell of the first second.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from time import perf_counter, process_time
from typing import cast

import uvloop

from bench.children import say
from bench.http1 import message

_WARM_UP_S = 1.0


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is whole."""

    def __init__(self, requests: Iterator[bytes], seen: _Seen) -> None:
        self._requests = requests
        self._seen = seen
        self._received = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = message(self._received)
        if answer is None:
            return
        self._seen.answered(self._sent_at, ok=answer[0].startswith(b"HTTP/1.1 200 "))
        self._received = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._seen.lost += 1

    def _send(self) -> None:
        if self._transport is not None and not self._seen.over.is_set():
            self._sent_at = perf_counter()
            self._transport.write(next(self._requests))


class _Seen:
    """What came of the requests."""

    def __init__(self, seconds: float) -> None:
        self.begins_at = perf_counter() + _WARM_UP_S
        self.ends_at = self.begins_at + seconds
        self.over = asyncio.Event()
        self.took_ms: list[float] = []
        self.answers = 0  # those of the first second included
        self.refused = 0
        self.lost = 0

    def answered(self, sent_at: float, *, ok: bool) -> None:
        """Count an answer that has just come."""
        now = perf_counter()
        self.answers += 1
        if now >= self.ends_at:
            self.over.set()
        elif not ok:
            self.refused += 1
        elif sent_at >= self.begins_at:
            self.took_ms.append((now - sent_at) * 1000)


async def _run(port: int, seconds: float, connections: int, requests: list[bytes]) -> _Seen:
    seen, endless = _Seen(seconds), cycle(requests)
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(endless, seen), "127.0.0.1", port)
    async with asyncio.timeout(_WARM_UP_S + seconds + 30):
        await seen.over.wait()
    return seen


def main() -> None:
    """Send for as long as the arguments say, and print what came of it."""
    port, seconds, connections, path = sys.argv[1:]
    requests = [text.encode() for text in json.loads(Path(path).read_text(encoding="utf-8"))]
    seen = uvloop.run(_run(int(port), float(seconds), int(connections), requests))
    took_ms = sorted(seen.took_ms) or [0.0]
    say(
        {
            "per_second": len(seen.took_ms) / float(seconds),
            "p50_ms": took_ms[len(took_ms) // 2],
            "p99_ms": took_ms[len(took_ms) * 99 // 100],
            "refused": seen.refused + seen.lost,
            "answers": seen.answers,
            "cpu_s": process_time(),
        }
    )


if __name__ == "__main__":
    main()
