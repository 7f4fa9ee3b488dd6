"""An agent in a process of its own, which reports on its standard output what happens to its calls.

`X-Tenant` says what it does with a call, and the call's number: `flood-17`. Each report is a line:
what happened, the number, when (seconds of CLOCK_MONOTONIC, one clock for all processes), how many
bytes. At the end of its standard input it ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from typing import cast

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_FIRST = b"data: first\n\n"
_MIB = 1 << 20
_LISTENED_S = 0.05
# Held here: a task that waits for what nobody holds is collected, and its connection with it.
_NEVER = asyncio.Event()


def _report(what: str, number: str, bytes_: int = 0) -> None:
    sys.stdout.write(f"{what} {number} {time.monotonic()} {bytes_}\n")
    sys.stdout.flush()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class _Call:
    """One HTTP call."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.bytes = 0
        # Of a server's stream it is both ways.
        self.reader_transport = cast(asyncio.Transport, writer.transport)

    async def silent(self, number: str) -> None:
        """Say nothing, until the other side is gone."""
        _report("arrived", number)
        await self._gone()

    async def chunk(self, number: str) -> None:
        """Say one thing and no more."""
        self.writer.write(_HEAD + _chunk(_FIRST))
        _report("arrived", number)
        await self._gone()

    async def text(self, number: str) -> None:
        """Say one word, as agents of the chat do."""
        self.writer.write(_HEAD + _chunk(b'data: "first"\n\n'))
        _report("arrived", number)
        await self._gone()

    async def half(self, number: str) -> None:
        """Say half an event."""
        self.writer.write(_HEAD + _chunk(_FIRST) + _chunk(b"data: ha"))
        _report("arrived", number)
        await self._gone()

    async def resumable(self, number: str) -> None:
        """Say something that a client may come back to."""
        self.writer.write(_HEAD + _chunk(b"id: 1\ndata: first\n\n"))
        _report("arrived", number)
        await self._gone()

    async def answered(self, number: str) -> None:
        """Say everything, but for the end of the stream."""
        answer = b'data: {"jsonrpc": "2.0", "id": "seven", "result": {}}\n\n'
        self.writer.write(_HEAD + _chunk(_FIRST) + _chunk(answer))
        _report("arrived", number)
        await self._gone()

    async def flood(self, number: str) -> None:
        """Offer 200 MiB, as fast as they are taken."""
        self.writer.write(_HEAD)
        _report("arrived", number)
        chunk = _chunk(b"x" * (64 * 1024))
        for count in range(200 * 16):
            self.writer.write(chunk)
            self.bytes += 64 * 1024
            await self.writer.drain()
            if count % 16 == 0:
                _report("offered", number, self.bytes)
        self.writer.write(b"0\r\n\r\n")
        await self._gone()

    async def deaf(self, number: str) -> None:
        """Read nothing of the request, nor notice its end."""
        self.reader_transport.pause_reading()
        _report("arrived", number)
        await _NEVER.wait()

    async def _gone(self) -> None:
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


async def _http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    call = _Call(reader, writer)
    number = "-"
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        lines = head.split("\r\n")
        told = next((line for line in lines if line.startswith("x-tenant:")), "x-tenant: text-0")
        kind, _, number = told.partition(":")[2].strip().partition("-")
        await getattr(call, kind)(number)
    writer.close()
    _report("closed", number, call.bytes)


async def _web_socket(connection: ServerConnection) -> None:
    assert connection.request is not None
    kind, _, number = connection.request.headers["X-Tenant"].partition("-")
    offered = 0
    with suppress(ConnectionClosed):
        await connection.send("first")
        _report("arrived", number)
        while kind == "flood" and offered < 200 * _MIB:
            await connection.send(b"x" * (_MIB // 4))
            offered += _MIB // 4
            _report("offered", number, offered)
        async for _ in connection:
            pass
    _report("closed", number, offered)


async def _stalls() -> None:
    """Report how late this process comes to run, where that is more than it would notice."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(_LISTENED_S)
        late = time.monotonic() - before - _LISTENED_S
        if late > _LISTENED_S:
            _report("stalled", str(round(late * 1000)))


async def _main() -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    http = await asyncio.start_server(_http, "127.0.0.1", 0, limit=65536, backlog=4096)
    async with http, serve(_web_socket, "127.0.0.1", 0, max_queue=1, write_limit=65536) as sockets:
        ports = [next(iter(server.sockets)).getsockname()[1] for server in (http, sockets)]
        sys.stdout.write(f"listening {ports[0]} {ports[1]}\n")
        sys.stdout.flush()
        stalls = asyncio.create_task(_stalls())
        await over.wait()
        stalls.cancel()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
