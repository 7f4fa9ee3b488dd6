"""One turn: the agent called as the person, through the same gate as any other client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID

from agents.arns import runtime_arn
from agents.aws.consents import Link
from agents.gateway import headers
from agents.gateway.invocation import invoke
from agents.gateway.messages import Answer as GatewayAnswer
from agents.gateway.messages import Inbound
from core import database
from core.secret import Secret
from portal.errors import PortalError, SignInExpired
from portal.models import SignIn
from portal.runs import approvals, notices
from portal.runs.answer import Answer
from portal.runs.calls import Calls
from portal.runs.consents_at_aws import all_settled, consent_ask
from portal.runs.decoded import (
    AnswerUnreadable,
    Ask,
    Break,
    ConsentLink,
    Decoded,
    Interrupted,
    InterruptUnreadable,
    Snapshot,
    Text,
    ToolCalled,
    ToolEnded,
    ToolStarted,
)
from portal.runs.decoders import decode
from portal.runs.links import Links
from portal.runs.records import Turn
from portal.signins import access_token_for

# How much of an answer a killed process may lose from the database; its tabs have seen it.
_STORE_EVERY_S = 2.0


class CallRefused(PortalError):
    """The gateway let the call not through, or the agent not finish; `code` is the gateway's."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code


class AnswerEmpty(PortalError):
    """The agent said nothing at all."""

    code = "answer_empty"


@dataclass(slots=True)
class _Talk:
    """What one call of the agent leaves for the next, which answers what it asked."""

    resume: Sequence[dict[str, Any]]
    number: int = 1
    asks: tuple[Ask, ...] = ()
    kept: dict[str, Any] = field(default_factory=dict)
    calls: Calls = field(default_factory=Calls)


async def execute(turn: Turn, answer: Answer) -> str:
    """Ask the agent, and tell what it answers as it comes; return what more is to be said of it.

    Cancelling it closes the way to the agent. One of AG-UI may stop to ask the person something,
    and is called again with the answers. An agent on AWS may have said all and have asked for
    consent: the person is waited for, and may ask again then.

    Raises:
        AppError: the answer is not whole; `code` says why, and `answer` has what came.
        redis.RedisError: it cannot be told.
    """
    token = await database.on_thread(_token_for, turn.signin_id, may_wait=True)
    telling = asyncio.create_task(answer.keep_telling())
    storing = asyncio.create_task(_keep_storing(answer))
    asking = asyncio.create_task(_ask(turn, token, answer))
    tasks: tuple[asyncio.Task[Any], ...] = (asking, telling, storing)
    try:
        # The first to end is the one that asks, or one that cannot go on.
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()
    if answer.is_empty:
        raise AnswerEmpty
    return notices.CONNECTED if asking.result() else ""


async def _ask(turn: Turn, token: Secret, answer: Answer) -> bool:
    """Ask the agent; say whether something was connected after it had said all."""
    talk = _Talk(turn.resume)
    await _call(turn, token, answer, talk)
    while talk.asks:
        await _answer_asks(turn, answer, talk)
        token = await database.on_thread(_token_for, turn.signin_id, may_wait=True)
        await _call(turn, token, answer, talk)
    return turn.at_aws is not None and await all_settled(turn.run_id)


async def _call(turn: Turn, token: Secret, answer: Answer, talk: _Talk) -> None:
    async with AsyncExitStack() as held:
        reply = await invoke(_inbound(turn, token, talk), held=held)
        async with aclosing(reply.body):
            await _follow(turn, token, reply, answer, talk)


async def _answer_asks(turn: Turn, answer: Answer, talk: _Talk) -> None:
    """Show the person what the agent asks, and wait for what it is to be told."""
    if turn.question.thread is None:
        raise InterruptUnreadable(detail="its version does not say that it speaks AG-UI")
    await answer.close_text()
    await answer.store()
    answer.note_asked()
    show = partial(approvals.ask, asks=talk.asks, tools=answer.tools)
    await database.on_thread(show, turn.run_id)
    talk.asks, talk.resume = (), await approvals.answers(turn.run_id)
    talk.number += 1


async def _follow(
    turn: Turn, token: Secret, reply: GatewayAnswer, answer: Answer, talk: _Talk
) -> None:
    if reply.error is not None:
        raise CallRefused(reply.error.code)
    headers_of_reply = dict(reply.headers)
    if "content-encoding" in headers_of_reply:
        raise AnswerUnreadable(detail="it is compressed, and nobody asked for that")
    content_type = headers_of_reply.get("content-type", "")
    at = turn.at_aws
    links = Links(at.host) if at is not None and at.host else None
    found = decode(content_type, reply.body, links=links, calls=talk.calls)
    async with aclosing(found) as decoding:
        async for decoded in decoding:
            if isinstance(decoded, ConsentLink):
                assert at is not None  # noqa: S101  (without, no links are looked for)
                ask = partial(consent_ask, turn.run_id, at=at, token=token)
                await _take_link(decoded, ask, answer)
            elif isinstance(decoded, Interrupted):
                talk.asks = decoded.asks
            elif isinstance(decoded, Snapshot):
                talk.kept[decoded.member] = decoded.value
            else:
                await _take(decoded, answer)


async def _take(decoded: Decoded, answer: Answer) -> None:
    match decoded:
        case Text(text):
            await answer.add(text)
        case Break():
            answer.end_paragraph()
        case ToolStarted(tool_id, title, name):
            await answer.start_tool(tool_id, title, name)
        case ToolCalled(tool_id, shown_input):
            await answer.call_tool(tool_id, shown_input)
        case ToolEnded(tool_id, succeeded):
            await answer.end_tool(tool_id, succeeded=succeeded)


async def _take_link(found: ConsentLink, ask: Callable[[Link], bool], answer: Answer) -> None:
    """Show the card. The text keeps a link that has none."""
    if await database.on_thread(ask, found.link):
        answer.note_asked()
        await answer.add(found.instead)
    else:
        await answer.add(found.text)


async def _keep_storing(answer: Answer) -> None:
    while True:
        await asyncio.sleep(_STORE_EVERY_S)
        await answer.store()


def _token_for(signin_id: UUID | None) -> Secret:
    if signin_id is None:
        raise SignInExpired
    signin = SignIn.objects.select_related("user").get(pk=signin_id)
    return access_token_for(signin)


def _inbound(turn: Turn, token: Secret, talk: _Talk) -> Inbound:
    again = f".{talk.number}" if talk.number > 1 else ""
    body = turn.question.body(
        thread_id=turn.session_id,
        run_id=f"{turn.run_id}{again}",
        resume=talk.resume,
        kept=talk.kept,
    )
    return Inbound(
        method="POST",
        raw_path=f"/runtimes/{quote(runtime_arn(turn.agent_id), safe='')}/invocations",
        query="",
        headers=(
            ("authorization", f"Bearer {token.reveal()}"),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("accept", "text/event-stream, application/json"),
            (headers.SESSION, turn.session_id),
        ),
        body=_once(body),
    )


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
