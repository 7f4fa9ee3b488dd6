"""One HTTP/1.1 connection, for one exchange at a time, streamed both ways (RFC 9112).

A general client costs more for a call than all that is checked of it. This one does what the way to
an agent needs and no more: no redirects, cookies, proxies or decompression. llhttp reads answers.

What is not read is not received: a slow reader holds the agent up, and not this site's memory.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Protocol, cast

from django.utils.translation import gettext as _
from httptools import HttpParserError, HttpResponseParser

from core.http.errors import HttpUnanswered

_MAX_UNREAD_BYTES = 64 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_INTERIM, _SWITCHING, _OK = 100, 101, 200
_WITHOUT_BODY = (204, 304)


class Body(Protocol):
    """A request's body: its length where it is known, and its chunks as they come."""

    @property
    def length(self) -> int | None:
        """Return how many bytes there will be; None: it goes in chunks."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks; whatever this raises ends the exchange."""


class Connection(asyncio.Protocol):
    """A connection. `keep` is called with it once it is good for another exchange."""

    def __init__(
        self,
        host: str,
        *,
        keep: Callable[[Connection], None],
        forget: Callable[[Connection], None],
    ) -> None:
        self.host = host
        self.is_paused = False
        self._keep = keep
        self._forget = forget
        self._exchange: Exchange | None = None
        self._transport: asyncio.Transport | None = None
        self._draining: asyncio.Future[None] | None = None
        self._fileno = -1

    @property
    def is_open(self) -> bool:
        """Say whether the connection may be used."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_silent(self) -> bool:
        """Say whether nothing waits to be read here: neither what nobody asked for, nor an end."""
        waiting = select.poll()
        waiting.register(self._fileno, select.POLLIN)
        return not waiting.poll(0)

    def begin(self, exchange: Exchange) -> None:
        """Give the connection to an exchange."""
        self._exchange = exchange

    def leave(self, *, good: bool) -> None:
        """Take the connection from its exchange; one that is not `good` any more is closed."""
        self._exchange = None
        if good and self.is_open:
            self._keep(self)
        else:
            self.close()

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    async def write(self, octets: bytes) -> None:
        """Send, and wait where the other side does not take it as fast as it comes."""
        if self._transport is not None:
            self._transport.write(octets)
        if self._draining is not None:
            await self._draining

    def pause(self) -> None:
        """Receive no more."""
        if self.is_open and not self.is_paused and self._transport is not None:
            self.is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Receive again."""
        if self.is_paused and self._transport is not None:
            self.is_paused = False
            with suppress(RuntimeError):  # closed meanwhile
                self._transport.resume_reading()

    # --- what asyncio calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._fileno = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        """Hand on what came; nothing may come where nothing was asked."""
        if self._exchange is None:
            self.close()
        else:
            self._exchange.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange, if there is one."""
        self._transport = None
        self._forget(self)
        self.resume_writing()
        if self._exchange is not None:
            self._exchange.lost(exc)

    def pause_writing(self) -> None:
        """Hold up whoever writes."""
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let whoever writes go on."""
        if self._draining is not None and not self._draining.done():
            self._draining.set_result(None)
        self._draining = None


class Exchange:
    """One request and its answer on a connection. Status and headers are there after `ask`."""

    def __init__(self, connection: Connection, *, silence_s: float) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []  # names in lower case, values as latin-1
        self.length: int | None = None  # of the answer's body, where its headers say it
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._parser = HttpResponseParser(self)
        self._unread: list[bytes] = []
        self._unread_bytes = self._head_bytes = self._aside_bytes = 0
        self._head_is_whole = self._is_whole = self._is_sent = self._has_ended = False
        self._has_begun = False
        self._ends_with_connection = self._may_be_kept = False
        self._failure: BaseException | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._heard_at = self._loop.time()
        self._silence = self._loop.call_later(silence_s, self._listen, silence_s)
        connection.begin(self)

    async def ask(self, head: bytes, body: Body) -> None:
        """Send a request, and return once the head of its answer is there.

        What does not come at once of the request's body is sent while the answer comes.

        Raises:
            HttpUnanswered: no answer, or none that is HTTP; or whatever `body` raises.
        """
        chunks = aiter(body)
        first = await anext(chunks, b"") if body.length else b""
        left = None if body.length is None else _rest(body.length, first)
        if self._failure is not None:  # the connection went while the body was waited for
            raise self._failure
        self._has_begun = True
        await self._connection.write(head + first)
        if left == 0:
            self._is_sent = True
        else:
            sending = self._send(chunks, left=left)
            self._sending = self._loop.create_task(sending)
        while not self._head_is_whole:
            await self._wait()

    def header(self, name: str) -> str | None:
        """Return the first header `name` (lower case) of the answer, or None."""
        return next((value for known, value in self.headers if known == name), None)

    async def read(self) -> bytes:
        """Return what has come of the answer's body, and nothing once it has ended.

        Raises:
            HttpUnanswered: it breaks off; or whatever the request's body raises.
        """
        while not self._unread:
            if self._is_whole:
                return b""
            await self._wait()
        chunk = self._unread[0] if len(self._unread) == 1 else b"".join(self._unread)
        self._unread, self._unread_bytes = [], 0
        if self._connection.is_paused:
            self._heard_at = self._loop.time()
            self._connection.resume()
        return chunk

    def end(self) -> None:
        """Let the connection go: kept where both sides said all they had to, and else closed.

        An answer that nobody reads must stop being made, and so must a request. The second time
        nothing happens: the connection may be another exchange's by then.
        """
        if self._has_ended:
            return
        self._has_ended = True
        self._silence.cancel()
        if self._sending is not None:
            self._sending.cancel()
        del self._parser  # it refers back: each call would be left to the collector of cycles
        said = self._is_whole and self._is_sent and not self._unread and self._failure is None
        self._connection.leave(good=said and self._may_be_kept)

    # --- what the connection calls ---------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Read on in the answer; what comes before anything was asked is none."""
        if not self._has_begun:
            self._broke("an answer to nothing")
            return
        self._heard_at = self._loop.time()
        if self._head_is_whole:
            self._aside_bytes += len(data)
        else:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as exc:
            self._broke(type(exc).__name__)
        if not self._head_is_whole and self._head_bytes > _MAX_HEAD_BYTES:
            self._broke("an endless head")
        if self._aside_bytes > _MAX_HEAD_BYTES:  # trailers, or what follows the size of a chunk
            self._broke("much that is no body")
        if self._unread_bytes > _MAX_UNREAD_BYTES:
            self._connection.pause()
        self._wake()

    def lost(self, exc: Exception | None) -> None:
        """End with the connection: well, where that is how the answer says that it ends."""
        if self._ends_with_connection and exc is None and self._failure is None:
            self._is_whole = True
            self._wake()
        else:
            self._broke(type(exc).__name__ if exc else "closed")

    # --- what the parser calls -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse an answer to what was not asked."""
        if self._is_whole:
            raise ValueError("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, and no trailer (RFC 9110 section 6.5.1): nobody here asks for one."""
        if self._head_is_whole:
            return
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Learn the status, and how the body will end (RFC 9112 section 6.3)."""
        status = self._parser.get_status_code()
        if status == _SWITCHING or status < _INTERIM:
            raise ValueError("another protocol, or none")
        if status < _OK:
            self.headers = []  # an interim answer (RFC 9110 section 15.2)
            return
        self.status, self._head_is_whole = status, True
        declared = self.header("content-length")
        # Of a body that there cannot be nobody is told a length (RFC 9110 section 8.6).
        has_body = status not in _WITHOUT_BODY
        self.length = int(declared) if declared is not None and has_body else None
        coding = self.header("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            raise ValueError("a coding that is not undone here")
        framed = declared is not None or coding is not None
        self._ends_with_connection = not framed and has_body

    def on_body(self, chunk: bytes) -> None:
        """Keep a part of the body for whoever reads it."""
        self._aside_bytes = 0
        self._unread.append(chunk)
        self._unread_bytes += len(chunk)

    def on_message_complete(self) -> None:
        """Learn that the answer is whole, unless it was an interim one."""
        self._is_whole = self._head_is_whole
        self._may_be_kept = self._parser.should_keep_alive()  # known here, and not any later

    async def _send(self, chunks: AsyncIterator[bytes], *, left: int | None) -> None:
        """Send the rest of the request's body: `left` bytes, or framed as chunks.

        Chunks are those of RFC 9112 section 7.1. A body that is not as long as its head says would
        end in the middle of the next request.
        """
        try:
            async for chunk in chunks:
                if left is not None:
                    left = _rest(left, chunk)
                    await self._connection.write(chunk)
                elif chunk:
                    await self._connection.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            if left is None:
                await self._connection.write(b"0\r\n\r\n")
            elif left:
                raise ValueError("a body is shorter than it says")
            self._is_sent = True
        except Exception as exc:  # noqa: BLE001  (handed to whoever waits for the answer)
            self._fail(exc)

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiting = self._loop.create_future()
        await self._waiting

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _fail(self, failure: BaseException) -> None:
        self._failure = self._failure or failure
        self._connection.close()
        self._wake()

    def _broke(self, detail: str) -> None:
        """Take it that no more will come that could be used."""
        if self._is_whole:  # what came after it was not asked for
            self._connection.close()
            return
        said = _("%(host)s does not answer as it should.") % {"host": self._connection.host}
        self._fail(HttpUnanswered(said, detail=detail))

    def _listen(self, silence_s: float) -> None:
        """Give up where nothing was heard for `silence_s`, while this side was listening."""
        heard_at = self._loop.time() if self._connection.is_paused else self._heard_at
        rest_s = heard_at + silence_s - self._loop.time()
        if rest_s > 0:
            self._silence = self._loop.call_later(rest_s, self._listen, silence_s)
        else:
            self._broke("silence")


def _rest(left: int, chunk: bytes) -> int:
    """Return how many bytes are left of a body after `chunk`. Raises ValueError: too few."""
    if len(chunk) > left:
        raise ValueError("a body is longer than it says")
    return left - len(chunk)
