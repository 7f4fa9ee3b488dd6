"""One invocation: decide, record, forward, stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

from agents.gateway import ends, headers, upstream
from agents.gateway.decision import Decision, decide
from agents.gateway.messages import Answer, ClientGone, Inbound, refusal
from agents.sessions import watch
from agents.sessions.watch import Use
from core import reference
from core.errors import AppError
from core.http.connection import Exchange


async def invoke(inbound: Inbound, *, held: AsyncExitStack) -> Answer:
    """Return the answer to one invocation. Closing `held` closes the way to the agent.

    A refusal is an answer too. Every one of them is on record, and nothing is sent to the agent
    before the decision to let the call through is.

    Raises:
        AuditUnavailable: a refusal could not be put on record; nothing was sent.
        SessionOver: by `held`, at its end, where the session ended before the answer did.
    """
    began = time.monotonic()
    request_id = reference.current().id
    decision = await decide(inbound, request_id=request_id, held=held)
    if isinstance(decision, Answer):
        return decision
    use = await held.enter_async_context(watch.in_use(decision.session))
    try:
        reply = await held.enter_async_context(
            upstream.opened(decision.url, headers=decision.sent, body=decision.body)
        )
    except AppError as error:
        await ends.record(decision.event, began, error=error)
        return refusal(error, request_id=request_id)
    except (asyncio.CancelledError, ClientGone):
        await ends.record(decision.event, began, error=use.over, left=use.over is None)
        raise
    encoding = reply.header("content-encoding")
    return Answer(
        200,
        [
            ("content-type", reply.header("content-type") or "application/octet-stream"),
            *([("content-encoding", encoding)] if encoding else []),
            ("cache-control", "no-store"),
            # What an agent says is never a page of this site.
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("x-content-type-options", "nosniff"),
            ("x-accel-buffering", "no"),
            (headers.SESSION, decision.session_id),
            ("x-amzn-requestid", request_id),
        ],
        _told(reply, decision, began, use),
    )


async def _told(
    reply: Exchange, decision: Decision, began: float, use: Use
) -> AsyncGenerator[bytes]:
    """Yield the answer's body, and put on record how it ended: whole, broken off, or unwanted.

    However it ends, the connection to the agent is closed first.
    """
    sent_bytes, whole = 0, False
    failure: AppError | None = None
    try:
        async with aclosing(upstream.chunks(reply)) as chunks:
            async for chunk in chunks:
                sent_bytes += len(chunk)
                yield chunk
            whole = True
    except AppError as error:
        failure = error
        raise
    finally:
        failure = failure or (None if whole else use.over)
        left = not whole and failure is None
        await ends.record(decision.event, began, sent_bytes=sent_bytes, error=failure, left=left)
