"""Streams: how soon their first event comes, and many that are held open.

    python -m bench.streams first PORT SECONDS STREAMS REQUESTS
    python -m bench.streams hold PORT COUNT REQUESTS

REQUESTS is as for `bench.load`. `first` keeps STREAMS of them open, each begun anew when it has
ended, and prints the times from the first byte sent to the first one of the body, in milliseconds.
`hold` opens COUNT, prints how many there are once each has had an event, or as many as came so far,
and keeps them until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import cast

import uvloop

from bench.children import say

_WARM_UP_S = 2.5  # longer than a stream: by then they begin at all times
_AT_ONCE = 64
_OPENS_S = 30.0
_END_OF_HEAD, _LAST_CHUNK = b"\r\n\r\n", b"0\r\n\r\n"


class Stream(asyncio.Protocol):
    """A connection that asks for one stream after the other.

    `ended` is set at the last byte of an answer, or where the connection is lost.
    """

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._sent_at = 0.0
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def first_s(self, request: bytes) -> float | None:
        """Ask, and return after how long the first byte of the answer's body was there.

        None: there is none, as the answer is a refusal or the connection is lost.
        """
        self._begun.clear()
        self.ended.clear()
        self._received, self._first_s = b"", None
        self._sent_at = perf_counter()
        if self._transport is None or self._transport.is_closing():
            return None
        self._transport.write(request)
        await self._begun.wait()
        return self._first_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._begun.is_set():
            head, end, body = self._received.partition(_END_OF_HEAD)
            if end and not head.startswith(b"HTTP/1.1 200 "):
                self._begun.set()
            elif body:
                self._first_s = perf_counter() - self._sent_at
                self._begun.set()
        if self._begun.is_set():
            if self._received.endswith(_LAST_CHUNK):
                self.ended.set()
            self._received = self._received[-len(_LAST_CHUNK) :]

    def connection_lost(self, exc: Exception | None) -> None:
        self._begun.set()
        self.ended.set()


async def _connected(port: int) -> Stream:
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(Stream, "127.0.0.1", port)
    return stream


async def _first(port: int, seconds: float, streams: int, requests: list[bytes]) -> None:
    begins_at = perf_counter() + _WARM_UP_S
    ends_at = begins_at + seconds
    took_ms: list[float] = []
    begun = failed = 0
    endless = cycle(requests)

    async def one(number: int) -> None:
        nonlocal begun, failed
        await asyncio.sleep(number * _WARM_UP_S / streams)  # apart from each other
        stream = await _connected(port)
        while (now := perf_counter()) < ends_at:
            first_s = await stream.first_s(next(endless))
            if first_s is None:
                failed += 1
                return
            begun += 1
            if now >= begins_at:
                took_ms.append(first_s * 1000)
            await stream.ended.wait()

    async with asyncio.timeout(_WARM_UP_S + seconds + 30):
        await asyncio.gather(*(one(number) for number in range(streams)))
    took_ms.sort()
    ordered = took_ms or [0.0]
    say(
        {
            "per_second": len(took_ms) / seconds,
            "p50_ms": ordered[len(ordered) // 2],
            "p99_ms": ordered[len(ordered) * 99 // 100],
            "refused": failed,
            "begun": begun,
        }
    )


async def _hold(port: int, count: int, requests: list[bytes]) -> None:
    open_streams: list[Stream] = []
    endless = cycle(requests)
    numbers = iter(range(count))

    async def open_some(numbers: Iterator[int]) -> None:
        for _ in numbers:
            stream = await _connected(port)
            if await stream.first_s(next(endless)) is not None:
                open_streams.append(stream)

    with suppress(TimeoutError):  # a proxy may have a limit, and lets the others wait
        async with asyncio.timeout(_OPENS_S):
            await asyncio.gather(*(open_some(numbers) for _ in range(min(_AT_ONCE, count))))
    say({"open": sum(not stream.ended.is_set() for stream in open_streams)})
    await asyncio.Event().wait()


def main() -> None:
    """Do what the arguments say."""
    how, port, *numbers, path = sys.argv[1:]
    requests = [text.encode() for text in json.loads(Path(path).read_text(encoding="utf-8"))]
    if how == "hold":
        uvloop.run(_hold(int(port), int(numbers[0]), requests))
    else:
        uvloop.run(_first(int(port), float(numbers[0]), int(numbers[1]), requests))


if __name__ == "__main__":
    main()
