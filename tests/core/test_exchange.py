"""Exchanges on kept connections: what goes wrong on one never reaches the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from core import http
from core.http.connection import Exchange
from tests.fixtures.loops import Run

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture(autouse=True)
def here_is_listed(settings: Any) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]


class Said:
    """A request's body, which may be of unknown length or fail."""

    def __init__(
        self, *chunks: bytes, known: bool = True, failure: Exception | None = None
    ) -> None:
        self._chunks, self._failure = chunks, failure
        self.length = sum(map(len, chunks)) if known else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        if self._failure is not None:
            raise self._failure


class Server:
    """A server that talks as it is told, and counts its connections."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.connections = 0
        self.requests: list[bytes] = []
        self.closed = asyncio.Event()

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/x"
        return self

    async def __aexit__(self, *_: object) -> None:
        await http.close()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed.set()
            writer.close()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """Return the head of the next request."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        return head


async def ask(server: Server, body: Said | None = None, **options: Any) -> tuple[int, bytes]:
    async with http.exchange(
        "POST", server.url, headers=(), body=body or Said(), **{"silence_s": 30, **options}
    ) as answer:
        return answer.status, await whole(answer)


async def whole(answer: Exchange) -> bytes:
    read = b""
    while chunk := await answer.read():
        read += chunk
    return read


def served(run: Run[Any], talk: Callable[[Server], Talk], use: Callable[[Server], Any]) -> Any:
    async def work() -> Any:
        told: list[Server] = []

        async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await talk(told[0])(reader, writer)

        async with Server(talking) as server:
            told.append(server)
            return await use(server)

    return run(work())


def answering(*answers: bytes) -> Callable[[Server], Talk]:
    """Answer each request of a connection in turn, and then hang up."""

    def talk(server: Server) -> Talk:
        async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for answer in answers:
                await server.request(reader)
                writer.write(answer)
                await writer.drain()

        return talking

    return talk


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(WHOLE, b"hi", id="a length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
            b"hi",
            id="chunks",
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nhi", b"hi", id="the end of the connection"),
        pytest.param(b"HTTP/1.1 204 None\r\n\r\n", b"", id="no body"),
        pytest.param(
            b"HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
            b"hi",
            id="interim answers before it",
        ),
    ],
)
def test_an_answer_is_read_whole_however_it_ends(run: Run[Any], answer: bytes, body: bytes) -> None:
    status, read = served(run, answering(answer), ask)

    assert (status, read) == (int(answer.rpartition(b"HTTP/1.")[2][2:5]), body)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", id="a length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n", id="chunks"
        ),
        pytest.param(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", id="another protocol"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="two ways to end",
        ),
    ],
)
def test_half_an_answer_is_no_answer(run: Run[Any], answer: bytes) -> None:
    with pytest.raises(http.HttpUnanswered):
        served(run, answering(answer), ask)


def test_a_connection_is_kept_and_one_that_ends_meanwhile_is_not_used(run: Run[Any]) -> None:
    async def use(server: Server) -> list[int]:
        counted = []
        for _ in range(2):
            await ask(server)
            counted.append(server.connections)
        await server.closed.wait()
        await asyncio.sleep(0)  # the news of it is on its way
        while server.connections < 2:
            try:
                await ask(server)
            except http.HttpUnanswered:  # it was not heard of in time
                continue
        return counted

    assert served(run, answering(WHOLE, WHOLE), use) == [1, 1]


def test_what_was_not_asked_for_is_never_an_answer(run: Run[Any]) -> None:
    poisoned = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned"

    async def use(server: Server) -> list[tuple[int, bytes]]:
        first = await ask(server)
        return [first, await ask(server)]

    read = served(run, answering(WHOLE + poisoned, WHOLE), use)

    assert read == [(200, b"hi"), (200, b"hi")]


def test_ending_an_exchange_twice_leaves_the_next_one_alone(run: Run[Any]) -> None:
    async def use(server: Server) -> bytes:
        async with http.exchange(
            "POST", server.url, headers=(), body=Said(), silence_s=30
        ) as first:
            await whole(first)
            first.end()
            async with http.exchange(
                "POST", server.url, headers=(), body=Said(), silence_s=30
            ) as second:
                first.end()
                return await whole(second)

    assert served(run, answering(WHOLE, WHOLE), use) == b"hi"


def test_an_answer_that_nobody_reads_is_not_received(run: Run[Any]) -> None:
    written = 0

    def talk(server: Server) -> Talk:
        async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            await server.request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(1000):
                writer.write(b"x" * 65536)
                try:
                    async with asyncio.timeout(0.5):
                        await writer.drain()
                except TimeoutError:
                    return
                written += 65536

        return talking

    async def use(server: Server) -> int:
        async with http.exchange(
            "POST", server.url, headers=(), body=Said(), silence_s=30
        ) as answer:
            await server.closed.wait()
            return sum(map(len, answer._unread))

    unread = served(run, talk, use)

    # What the two kernels hold comes on top of what this process does.
    assert unread < 1 << 20
    assert written < 1000 * 65536


def test_a_body_that_fails_ends_the_exchange_with_its_own_error(run: Run[Any]) -> None:
    class Gone(Exception):
        pass

    async def use(server: Server) -> bytes:
        with pytest.raises(Gone):
            await ask(server, Said(b"half", known=False, failure=Gone()))
        await server.closed.wait()
        return server.requests[0]

    head = served(run, answering(WHOLE, b""), use)

    assert b"transfer-encoding: chunked" in head.lower()


def test_silence_ends_an_exchange(run: Run[Any]) -> None:
    def talk(server: Server) -> Talk:
        async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            await reader.read()

        return talking

    async def use(server: Server) -> None:
        with pytest.raises(http.HttpUnanswered) as caught:
            await ask(server, silence_s=0.05)
        assert caught.value.detail == "silence"
        await server.closed.wait()

    served(run, talk, use)


@pytest.mark.parametrize(
    "header",
    [("x", "a\r\nHost: b"), ("x", "a\nb"), ("x", "a\0"), ("x: y\r\nz", "a"), ("x y", "a")],
)
def test_a_header_that_would_be_two_is_not_sent(run: Run[Any], header: tuple[str, str]) -> None:
    async def use(server: Server) -> int:
        with pytest.raises(http.HttpRefused):
            async with http.exchange(
                "POST", server.url, headers=[header], body=Said(), silence_s=30
            ):
                raise AssertionError("it was sent")
        return server.connections

    assert served(run, answering(WHOLE), use) == 0
