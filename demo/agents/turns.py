"""One turn of a conversation over HTTP: what comes in, and what of Strands' events goes out."""

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

from bedrock_agentcore import BedrockAgentCoreApp, RequestContext
from starlette.exceptions import HTTPException
from strands import Agent
from strands.types.content import ContentBlock

from demo.agents import settings
from demo.agents.caller import Caller
from demo.agents.conversations import Conversations
from demo.agents.files import without_files
from demo.agents.listening import HEARTBEAT, ListenerGone, while_listened_to

MAX_PROMPT_CHARS = 32_000
_GRACE_S = 2


def prompt_in(payload: Any) -> str:
    """Return the prompt of an invocation: the JSON `{"prompt": "..."}`.

    Raises:
        HTTPException: 400, there is none, or it is too long.
    """
    prompt = payload.get("prompt") if isinstance(payload, dict) else None
    if not isinstance(prompt, str) or not prompt.strip():
        raise HTTPException(400, 'Send JSON with a "prompt" that is not empty.')
    if len(prompt) > MAX_PROMPT_CHARS:
        raise HTTPException(400, f"A prompt has at most {MAX_PROMPT_CHARS} characters.")
    return prompt


def outgoing(event: dict[str, Any]) -> dict[str, Any] | None:
    """Return what of a Strands event leaves the process, or None.

    Model events leave as they are. Of a tool's result leaves that it came, and how it went. The
    rest holds the agent itself, with its state and its tools' data, and the answer needs none.
    """
    if "event" in event:
        return {"event": event["event"]}
    results = [
        {"toolResult": {"toolUseId": result["toolUseId"], "status": result["status"]}}
        for block in event.get("message", {}).get("content", [])
        if (result := block.get("toolResult"))
    ]
    return {"message": {"role": "user", "content": results}} if results else None


async def stream_turn(
    agent: Agent,
    asked: str | list[ContentBlock],
    *,
    caller: Caller | None,
    context: RequestContext,
    conversations: Conversations,
) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of `agent` answering what it is `asked`; at the end, keep the conversation.

    Tools find the caller in their `invocation_state`, which no model sees. A turn that was stopped
    or failed is not kept: it may hold a tool call without its result, which models refuse.
    """
    events = agent.stream_async(asked, invocation_state={"caller": caller})
    request: Any = context.request
    heard = while_listened_to(events, request.state.gone)
    with suppress(ListenerGone):
        async with aclosing(heard):
            async for event in heard:
                if shown := event if event is HEARTBEAT else outgoing(event):
                    yield shown
        conversations.keep(caller, context.session_id, without_files(agent.messages))


def serve(app: BedrockAgentCoreApp) -> None:
    """Serve `app` on this machine alone until it is told to end."""
    # The SDK writes a line for each invocation.
    logging.getLogger("bedrock_agentcore").setLevel(logging.WARNING)
    app.logger.setLevel(logging.WARNING)
    app.run(port=settings.port(), host="127.0.0.1", timeout_graceful_shutdown=_GRACE_S)
