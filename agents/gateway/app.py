"""The gateway as an ASGI application, mounted before Django."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from asgiref.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
)

from agents.gateway.invocation import invoke
from agents.gateway.messages import Answer, Inbound, refusal
from core import reference
from core.errors import AppError, InvalidRequest


class _Incoming:
    """The request's body, and after it the news that the client has gone."""

    def __init__(self, receive: ASGIReceiveCallable) -> None:
        self._receive = receive
        self._ended = asyncio.Event()
        self._gone = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        while not self._ended.is_set():
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._ended.set()
                return
            if message["type"] == "http.request":
                if message["body"]:
                    yield message["body"]
                if not message["more_body"]:
                    self._ended.set()

    async def gone(self) -> None:
        """Return once the client has gone."""
        await self._ended.wait()
        while not self._gone:
            message = await self._receive()
            self._gone = message["type"] == "http.disconnect"


async def application(
    scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Answer one invocation; a client that goes away closes the way to the agent at once."""
    client = scope.get("client")
    begun = reference.begin(client[0] if client else None)
    incoming = _Incoming(receive)
    if scope["method"] != "POST":
        answer = refusal(InvalidRequest("Invocations are POST requests."), request_id=begun.id)
        await _send(answer, send)
        return
    inbound = Inbound(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in scope["headers"]
        ),
        body=incoming.chunks(),
    )
    serving = asyncio.create_task(_serve(inbound, send))
    leaving = asyncio.create_task(incoming.gone())
    try:
        await asyncio.wait({serving, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not serving.done():
            serving.cancel()
        await asyncio.gather(serving, leaving, return_exceptions=True)
    if not serving.cancelled():
        serving.result()


async def _serve(inbound: Inbound, send: ASGISendCallable) -> None:
    async with AsyncExitStack() as held:
        try:
            answer = await invoke(inbound, held=held)
        except AppError as error:  # the trail itself is away: nothing may pass
            answer = refusal(error, request_id=reference.current().id)
        await _send(answer, send)


async def _send(answer: Answer, send: ASGISendCallable) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers],
            "trailers": False,
        }
    )
    try:
        async for chunk in answer.body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        await answer.body.aclose()  # type: ignore[attr-defined]  # bodies are async generators
    await send({"type": "http.response.body", "body": b"", "more_body": False})
