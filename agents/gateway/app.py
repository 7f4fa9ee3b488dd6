"""The gateway as an ASGI application, mounted before Django."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, aclosing

from asgiref.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
)

from agents.gateway.addresses import Way, way_of
from agents.gateway.invocation import invoke
from agents.gateway.messages import Answer, ClientGone, Inbound, refusal
from agents.gateway.metadata import Described, described_by, metadata
from agents.gateway.stopping import stop
from agents.sessions.errors import SessionOver
from core import reference
from core.errors import AppError, Internal
from core.wire import respond

log = logging.getLogger(__name__)

_MAX_DIGITS = 18
# Which of them an agent answers is its protocol's to say.
_METHODS = {
    Way.INVOCATION: {"POST", "GET", "DELETE"},
    Way.CARD: {"GET"},
    Way.STOP: {"POST"},
}
# How long an answer may take before anybody looks whether its client is still there.
_UNWATCHED_S = 0.2


class _Incoming:
    """The request's body, and after it the news that the client has gone.

    A body of known length ends with its last byte. The server says so only in its next message,
    and whoever waits for that may find the agent's answer there before it.
    """

    __slots__ = ("_gone", "_has_ended", "_left", "_receive", "_waiting")

    def __init__(self, receive: ASGIReceiveCallable, *, length: int | None) -> None:
        self._receive = receive
        self._left = length
        self._has_ended = length == 0
        self._gone = False
        self._waiting: asyncio.Future[None] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the body as it arrives.

        Raises:
            ClientGone: the rest will not come. Half a request must not look like a whole one.
        """
        while not self._has_ended:
            message = await self._receive()
            if message["type"] != "http.request":
                self._gone = True
                self._end()
                raise ClientGone
            body = message["body"]
            if self._left is not None:
                self._left -= len(body)
            if not message["more_body"] or self._left == 0:
                self._end()
            if body:
                return body
        raise StopAsyncIteration

    async def gone(self) -> None:
        """Return once the client has gone."""
        if not self._has_ended:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        while not self._gone:
            message = await self._receive()
            self._gone = message["type"] == "http.disconnect"

    def _end(self) -> None:
        self._has_ended = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def serves(method: str, raw_path: str) -> bool:
    """Say whether a request is one for an agent, for its sessions, or for its metadata."""
    way = way_of(raw_path)
    if way in _METHODS:
        return method in _METHODS[way]
    return method in {"GET", "HEAD"} and described_by(raw_path) is not None


async def application(
    scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Answer what `serves` lets through."""
    client = scope.get("client")
    reference.begin(client[0] if client else None)
    described = described_by(scope["raw_path"].decode("latin-1"))
    if described is not None:
        await _send(await _described(described, scope["query_string"].decode("latin-1")), send)
    else:
        await _invoked(scope, receive, send)


async def _described(described: Described, query: str) -> Answer:
    request_id = reference.current().id
    try:
        return await metadata(described, query)
    except AppError as error:
        log.info("agent.metadata.refused", extra={"reason": error.code, "detail": error.detail})
        return refusal(error, request_id=request_id)
    except Exception:  # the boundary: a client learns the request's id and nothing else
        log.exception("agent.metadata.broke")
        return refusal(Internal(), request_id=request_id)


async def _invoked(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer one invocation; a client that goes away closes the way to the agent at once."""
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in scope["headers"]
    )
    incoming = _Incoming(receive, length=_declared_length(headers))
    inbound = Inbound(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=incoming,
    )
    await _while_client_waits(_serve(inbound, send), incoming)


async def _while_client_waits(work: Coroutine[None, None, None], incoming: _Incoming) -> None:
    """Do `work`, and leave it off once the client has gone.

    Who watches for that costs a task, which most calls are over too soon to need.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101  (for the type checker)
    watching: asyncio.Task[None] | None = None
    has_gone = False

    async def watch() -> None:
        nonlocal has_gone
        await incoming.gone()
        has_gone = True
        task.cancel()

    def begin() -> None:
        nonlocal watching
        watching = loop.create_task(watch())

    beginning = loop.call_later(_UNWATCHED_S, begin)
    try:
        await work
    except asyncio.CancelledError:
        if not has_gone:
            raise
        task.uncancel()
    finally:
        beginning.cancel()
        if watching is not None:
            watching.cancel()


def _declared_length(headers: tuple[tuple[str, str], ...]) -> int | None:
    """Return the length that the server holds the body to, or None where it goes in chunks."""
    declared = [value for name, value in headers if name == "content-length"]
    plain = len(declared) == 1 and declared[0].isascii() and declared[0].isdigit()
    return int(declared[0][:_MAX_DIGITS]) if plain else None


async def _serve(inbound: Inbound, send: ASGISendCallable) -> None:
    answering: list[Answer] = []
    try:
        await _answered(inbound, send, answering)
    except SessionOver as error:
        log.info("agent.session.over", extra={"reason": error.code, "begun": bool(answering)})
        if not answering:
            await _send(refusal(error, request_id=reference.current().id), send)


async def _answered(inbound: Inbound, send: ASGISendCallable, answering: list[Answer]) -> None:
    """Answer one request; what is being answered stands in `answering`, from its head on.

    Raises:
        SessionOver: the session ended before the answer did.
    """
    request_id = reference.current().id
    async with AsyncExitStack() as held:
        try:
            answering_by = stop if way_of(inbound.raw_path) is Way.STOP else invoke
            answer = await answering_by(inbound, held=held)
        except AppError as error:  # the trail itself is away: nothing may pass
            log.warning("agent.invocation.not_recorded", extra={"detail": error.detail})
            answer = refusal(error, request_id=request_id)
        except ClientGone:
            return
        except Exception:  # the boundary: a client learns the request's id and nothing else
            log.exception("agent.invocation.broke")
            answer = refusal(Internal(), request_id=request_id)
        answering.append(answer)
        try:
            await _send(answer, send)
        except AppError as error:
            # Too late for a status. Leaving without the end tells the client that more was to come.
            log.info("agent.answer.broke_off", extra={"reason": error.code, "detail": error.detail})
        except ClientGone:  # in the middle of its request, which the agent answered already
            return


async def _send(answer: Answer, send: ASGISendCallable) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": respond.on_the_wire(answer.headers),
            "trailers": False,
        }
    )
    left, has_ended = answer.length, False
    async with aclosing(answer.body) as chunks:
        async for chunk in chunks:
            left = None if left is None else left - len(chunk)
            has_ended = left == 0
            await send({"type": "http.response.body", "body": chunk, "more_body": not has_ended})
    if not has_ended:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
