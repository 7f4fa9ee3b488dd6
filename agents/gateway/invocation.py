"""One invocation: decide, record, forward, stream."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

from agents.gateway import ends, headers, upstream
from agents.gateway.decision import Decision, decide
from agents.gateway.messages import Answer, Chunks, ClientGone, Inbound, one_chunk
from agents.gateway.protocols.a2a import CardUnreadable
from agents.sessions.servers import Server
from agents.sessions.watch import Use
from core import audit, reference
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
    use = await held.enter_async_context(Use(decision.session, through=decision.through))
    try:
        reply = await upstream.asked(
            decision.url,
            headers=decision.sent,
            body=decision.body,
            whose=decision.whose,
            method=decision.method,
            passing=decision.protocol.statuses,
        )
    except AppError as error:
        ends.record(decision.event, began, error=error)
        return await decision.refusing.answer(error)
    except (asyncio.CancelledError, ClientGone):
        ends.record(decision.event, began, error=use.over, left=use.over is None)
        raise
    answer = _Body(reply, decision.event, began, use)
    held.callback(answer.close)
    if decision.server is not None:
        try:
            await _refuse_foreign_session(reply, decision.protocol.session, decision.server)
        except AppError as error:
            answer.end(error)
            return await decision.refusing.answer(error)
    told: Chunks = answer
    if decision.card is not None:
        return await _card(decision.card, reply, answer, decision, request_id)
    content_type, length = reply.header("content-type") or "", reply.length
    if content_type.startswith("text/event-stream") and (ended := decision.refusing.ended(told)):
        told, length = ended, None  # it may say more
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


async def _refuse_foreign_session(reply: Exchange, header: str, server: Server) -> None:
    """Put down that the session which the answer begins, if any, is the caller's.

    Raises:
        AgentFailed: its id is that of somebody else's.
        RegistryUnavailable: the database did not take it.
    """
    if not await server.gives(reply.header(header)):
        raise upstream.AgentFailed(
            "The agent gave out a session's id twice.", detail="somebody else's session"
        )


async def _card(
    make: Callable[[bytes], bytes],
    reply: Exchange,
    answer: _Body,
    decision: Decision,
    request_id: str,
) -> Answer:
    """Return the agent's card, made one of this site's. On record it ends as its caller sees it."""
    card = b""
    try:
        while chunk := await upstream.read(reply):
            card += chunk
            if len(card) > _MAX_CARD_BYTES:
                raise CardUnreadable("The agent's card is too large.")
        made = make(card)
    except AppError as error:
        log.info("agent.card.refused", extra={"reason": error.code, "detail": error.detail})
        answer.end(error)
        return await decision.refusing.answer(error)
    answer.sent_bytes = len(made)
    answer.end()
    length = ("content-length", str(len(made)))
    return Answer(_OK, [*_head("application/json", decision, request_id), length], one_chunk(made))


class _Body:
    """The body of an agent's answer as it comes.

    However it ends, whole, broken off or unwanted, the connection to the agent is let go and then
    that goes on record, once.
    """

    __slots__ = ("_began", "_event", "_has_ended", "_reply", "_use", "sent_bytes")

    def __init__(self, reply: Exchange, event: audit.Event, began: float, use: Use) -> None:
        self._reply = reply
        self._event = event
        self._began = began
        self._use = use
        self.sent_bytes = 0
        self._has_ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._has_ended:
            raise StopAsyncIteration
        try:
            chunk = await upstream.read(self._reply)
        except AppError as error:
            self.end(error)
            raise
        if not chunk:
            self.end()
            raise StopAsyncIteration
        self.sent_bytes += len(chunk)
        return chunk

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Take no more of it: the session is over, or the client did not wait for its end."""
        self.end(self._use.over, left=self._use.over is None)

    def end(self, error: AppError | None = None, *, left: bool = False) -> None:
        """Let the connection go, and put on record how it ended, once."""
        if self._has_ended:
            return
        self._has_ended = True
        self._reply.end()
        ends.record(self._event, self._began, sent_bytes=self.sent_bytes, error=error, left=left)
