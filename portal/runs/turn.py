"""One turn: the agent called as the person, through the same gate as any other client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
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
from portal.runs import notices
from portal.runs.answer import Answer
from portal.runs.consents_at_aws import all_settled, consent_ask
from portal.runs.decoded import (
    AnswerUnreadable,
    Break,
    ConsentLink,
    Decoded,
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


async def execute(turn: Turn, answer: Answer) -> str:
    """Ask the agent, and tell what it answers as it comes; return what more is to be said of it.

    Cancelling it closes the way to the agent. An agent on AWS may have said all and have asked for
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
    async with AsyncExitStack() as held:
        reply = await invoke(_inbound(turn, token), held=held)
        async with aclosing(reply.body):
            await _follow(turn, token, reply, answer)
    return turn.at_aws is not None and await all_settled(turn.run_id)


async def _follow(turn: Turn, token: Secret, reply: GatewayAnswer, answer: Answer) -> None:
    if reply.error is not None:
        raise CallRefused(reply.error.code)
    headers_of_reply = dict(reply.headers)
    if "content-encoding" in headers_of_reply:
        raise AnswerUnreadable(detail="it is compressed, and nobody asked for that")
    content_type = headers_of_reply.get("content-type", "")
    at = turn.at_aws
    links = Links(at.host) if at is not None and at.host else None
    async with aclosing(decode(content_type, reply.body, links=links)) as decoding:
        async for decoded in decoding:
            if isinstance(decoded, ConsentLink):
                assert at is not None  # noqa: S101  (without, no links are looked for)
                ask = partial(consent_ask, turn.run_id, at=at, token=token)
                await _take_link(decoded, ask, answer)
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
        answer.note_consent()
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


def _inbound(turn: Turn, token: Secret) -> Inbound:
    body = turn.question.body(thread_id=turn.session_id, run_id=turn.run_id)
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
