"""Going on only while somebody listens.

The SDK reads a stream in a thread that blocks until the next event, and does not end the stream
when its client has gone: an agent that waits for consent would wait on after Stop. So a middleware
notes the departure, and the stream looks at that note between events.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Sent while there is nothing else to send, so that nobody in between takes the stream for dead,
# and the SDK's thread is lent to others in turn.
HEARTBEAT = {"type": "heartbeat"}
INTERVAL_S = 0.5


class ListenerGone(Exception):
    """Nobody listens any more."""


class DepartureMiddleware:
    """Puts a `threading.Event` into `request.state.gone`, set once the client has gone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and note a disconnect."""
        gone = threading.Event()
        scope.setdefault("state", {})["gone"] = gone

        async def noting() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            return message

        await self._app(scope, noting, send)


async def while_listened_to(
    events: AsyncIterator[dict[str, Any]], gone: threading.Event
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield `events`, and `HEARTBEAT` in a long silence.

    Raises:
        ListenerGone: `gone` was set; `events` are cancelled where they were.
    """
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def forward() -> None:
        try:
            async for event in events:
                queue.put_nowait(event)
        finally:
            queue.put_nowait(None)

    # One task for all of it: each step in a task of its own would lose the context in between.
    forwarding = asyncio.create_task(forward())
    try:
        while not gone.is_set():
            try:
                async with asyncio.timeout(INTERVAL_S):
                    event = await queue.get()
            except TimeoutError:
                event = HEARTBEAT
            if event is None:
                await forwarding
                return
            yield event
        raise ListenerGone
    finally:
        forwarding.cancel()
        await asyncio.gather(forwarding, return_exceptions=True)
