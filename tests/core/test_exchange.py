"""Exchanges on kept connections: what goes wrong on one never reaches the next."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import weakref
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from core import http
from core.http import kept
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


async def ask(
    server: Server | Namespace, body: Said | None = None, **options: Any
) -> tuple[int, bytes]:
    async with exchanging(server, body=body or Said(), **options) as answer:
        return answer.status, await whole(answer)


@asynccontextmanager
async def exchanging(server: Server | Namespace, **options: Any) -> AsyncIterator[Exchange]:
    asked = {"headers": (), "body": Said(), "silence_s": 30, "whose": "alice", **options}
    answer = await http.exchange("POST", server.url, **asked)
    try:
        yield answer
    finally:
        answer.end()


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
        pytest.param(b"HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n", id="no status"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nh\r\n0\r\n\r\n",
            id="a coding that nobody undoes",
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


def test_what_came_too_late_is_not_the_next_answer(run: Run[Any]) -> None:
    asked_again, late = threading.Event(), threading.Event()

    def talk(listening: socket.socket) -> None:
        first, _ = listening.accept()
        first.recv(65536)
        first.sendall(WHOLE)
        asked_again.wait(30)
        first.sendall(WHOLE.replace(b"hi", b"no"))
        late.set()
        second, _ = listening.accept()
        second.recv(65536)
        second.sendall(WHOLE)
        for each in (first, second):
            each.close()

    async def use() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            talking = threading.Thread(target=talk, args=[listening])
            talking.start()
            server = Namespace(url=f"http://127.0.0.1:{listening.getsockname()[1]}/x")
            await ask(server)
            asked_again.set()
            late.wait(30)  # the event loop waits, too, and sees nothing of it before the next one
            _, answered = await ask(server)
            await http.close()
            talking.join()
            return answered

    assert run(use()) == b"hi"


def test_what_comes_before_the_request_was_sent_is_no_answer_to_it(run: Run[Any]) -> None:
    def talk(server: Server) -> Talk:
        async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            writer.write(WHOLE)
            await begun.wait()
            writer.write(WHOLE.replace(b"hi", b"no"))
            await writer.drain()
            await reader.read()

        return talking

    begun = asyncio.Event()

    class Slow(Said):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            begun.set()
            await asyncio.wait({asyncio.ensure_future(asyncio.Event().wait())}, timeout=0.2)
            yield b"body"

    async def use(server: Server) -> None:
        await ask(server)
        with pytest.raises(http.HttpUnanswered):
            await ask(server, Slow(b"body"))
        assert len(server.requests) == 1

    served(run, talk, use)


def test_the_length_of_a_body_that_there_cannot_be_is_none(run: Run[Any]) -> None:
    async def use(server: Server) -> list[Any]:
        async with exchanging(server) as answer:
            return [answer.status, answer.length, await whole(answer)]

    empty = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"

    assert served(run, answering(empty), use) == [204, None, b""]


def test_nothing_of_an_exchange_is_left_to_the_collector_of_cycles(run: Run[Any]) -> None:
    async def use(server: Server) -> Exchange | None:
        gc.disable()
        try:
            async with exchanging(server) as answer:
                await whole(answer)
            left = weakref.ref(answer)
            del answer
            return left()
        finally:
            gc.enable()

    assert served(run, answering(WHOLE), use) is None


def test_nobody_gets_a_connection_of_another(run: Run[Any]) -> None:
    async def use(server: Server) -> list[int]:
        counted = []
        for whose in ("alice", "bob", "alice", "bob"):
            await ask(server, whose=whose)
            counted.append(server.connections)
        return counted

    assert served(run, answering(WHOLE, WHOLE), use) == [1, 2, 2, 2]


def test_who_has_no_connection_any_more_is_forgotten(run: Run[Any]) -> None:
    async def use(server: Server) -> int:
        for number in range(20):
            await ask(server, whose=number)
        (pool,) = kept._pools.values()
        async with asyncio.timeout(30):
            while pool._kept:
                await asyncio.sleep(0)
        return server.connections

    assert served(run, answering(WHOLE), use) == 20


def test_trailers_are_no_headers_and_no_burden(run: Run[Any]) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"

    async def headers(server: Server) -> tuple[bytes, str | None]:
        async with exchanging(server) as answer:
            return await whole(answer), answer.header("x-late")

    told = served(run, answering(head + b"X-Late: no\r\n\r\n"), headers)
    assert told == (b"hi", None)
    with pytest.raises(http.HttpUnanswered):
        served(run, answering(head + b"X-Late: no\r\n" * 100_000 + b"\r\n"), ask)


@pytest.mark.parametrize(
    ("length", "chunks"), [(1, (b"hi",)), (3, (b"hi",)), (3, (b"h", b"i")), (2, (b"h", b"ii"))]
)
def test_a_body_that_is_not_as_long_as_it_says_is_no_request(
    run: Run[Any], length: int, chunks: tuple[bytes, ...]
) -> None:
    def talk(server: Server) -> Talk:
        async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await server.request(reader)
            await reader.readexactly(int(head.rpartition(b": ")[2]))
            writer.write(WHOLE)

        return talking

    async def use(server: Server) -> None:
        body = Said(*chunks)
        body.length = length
        await ask(server, body=body)

    with pytest.raises(ValueError, match="than it says"):
        served(run, talk, use)


def test_ending_an_exchange_twice_leaves_the_next_one_alone(run: Run[Any]) -> None:
    async def use(server: Server) -> bytes:
        async with exchanging(server) as first:
            await whole(first)
            first.end()
            async with exchanging(server) as second:
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
        async with exchanging(server) as answer:
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


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", "HttpParserError", id="no HTTP"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "an endless head", id="headers"
        ),
        pytest.param(
            b"HTTP/1.1 103 Early\r\n\r\n" * 5_000, "an endless head", id="interim answers"
        ),
    ],
)
def test_it_is_given_up_at_once_though_the_other_side_stays(
    run: Run[Any], said: bytes, detail: str
) -> None:
    def talk(server: Server) -> Talk:
        async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            writer.write(said)
            await reader.read()

        return talking

    async def use(server: Server) -> str:
        with pytest.raises(http.HttpUnanswered) as caught:
            await ask(server, silence_s=5)
        return caught.value.detail

    assert served(run, talk, use) == detail


def test_a_request_ends_with_its_exchange(run: Run[Any]) -> None:
    class Endless:
        length = None

        def __init__(self) -> None:
            self.has_ended = asyncio.Event()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                yield b"half"
                await asyncio.Event().wait()
            finally:
                self.has_ended.set()

    async def use(server: Server) -> bool:
        body = Endless()
        async with exchanging(server, body=body) as answer:
            await whole(answer)
            assert not body.has_ended.is_set()
        async with asyncio.timeout(5):
            return await body.has_ended.wait()

    assert served(run, answering(WHOLE, b""), use)


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
            async with exchanging(server, headers=[header]):
                raise AssertionError("it was sent")
        return server.connections

    assert served(run, answering(WHOLE), use) == 0
