"""One invocation: decide, record, forward, stream."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing

from agents.gateway import ends, headers, upstream
from agents.gateway.decision import Decision, decide
from agents.gateway.messages import Answer, ClientGone, Inbound, one_chunk
from agents.gateway.protocols.a2a import CardUnreadable
from agents.sessions import watch
from agents.sessions.watch import Use
from core import reference
from core.errors import AppError
from core.http.connection import Exchange
from core.wire.respond import Headers

log = logging.getLogger(__name__)

_OK = 200
_MAX_CARD_BYTES = 1 << 20


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
            upstream.opened(
                decision.url,
                headers=decision.sent,
                body=decision.body,
                method=decision.method,
                passing=decision.protocol.statuses,
            )
        )
    except AppError as error:
        ends.record(decision.event, began, error=error)
        return await decision.refusing.answer(error)
    except (asyncio.CancelledError, ClientGone):
        ends.record(decision.event, began, error=use.over, left=use.over is None)
        raise
    told = _told(reply, decision, began, use)
    if decision.card is not None:
        return await _card(decision.card, told, decision, request_id)
    content_type, length = reply.header("content-type") or "", reply.length
    if decision.protocol.ended_by and content_type.startswith("text/event-stream"):
        told, length = decision.protocol.ended_by(told), None  # it may say more
    passing = {"content-encoding", *decision.protocol.answered}
    status = reply.status if reply.status in decision.protocol.statuses else _OK
    return Answer(
        status,
        [
            *_head(content_type or "application/octet-stream", decision, request_id),
            *[(name, value) for name in sorted(passing) if (value := reply.header(name))],
            *([] if length is None else [("content-length", str(length))]),
            ("x-accel-buffering", "no"),
        ],
        told,
        length=length,
    )


def _head(content_type: str, decision: Decision, request_id: str) -> Headers:
    return [
        ("content-type", content_type),
        ("cache-control", "no-store"),
        # What an agent says is never a page of this site.
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("x-content-type-options", "nosniff"),
        (headers.SESSION, decision.session_id),
        ("x-amzn-requestid", request_id),
    ]


async def _card(
    make: Callable[[bytes], bytes],
    told: AsyncGenerator[bytes],
    decision: Decision,
    request_id: str,
) -> Answer:
    """Return the agent's card, made one of this site's."""
    card = b""
    try:
        async with aclosing(told) as chunks:
            async for chunk in chunks:
                card += chunk
                if len(card) > _MAX_CARD_BYTES:
                    raise CardUnreadable("The agent's card is too large.")
        card = make(card)
    except AppError as error:
        log.info("agent.card.refused", extra={"reason": error.code, "detail": error.detail})
        return await decision.refusing.answer(error)
    length = ("content-length", str(len(card)))
    return Answer(_OK, [*_head("application/json", decision, request_id), length], one_chunk(card))


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
        ends.record(decision.event, began, sent_bytes=sent_bytes, error=failure, left=left)
