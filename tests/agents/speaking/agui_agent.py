"""An AG-UI agent made with the protocol's own events. It says for whom it acts, word by word."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import uvicorn
from ag_ui.core import (
    BaseEvent,
    EventType,
    RunAgentInput,
    RunFinishedEvent,
    RunStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
)
from ag_ui.encoder import EventEncoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


async def run(asked: RunAgentInput, user: str) -> AsyncIterator[BaseEvent]:
    """Yield the events of one run; one that is asked to break off does so in the middle."""
    thread, number = asked.thread_id, asked.run_id
    yield RunStartedEvent(type=EventType.RUN_STARTED, thread_id=thread, run_id=number)
    yield TextMessageStartEvent(
        type=EventType.TEXT_MESSAGE_START, message_id="answer", role="assistant"
    )
    for word in ("I ", "act ", "for ", user):
        yield TextMessageContentEvent(
            type=EventType.TEXT_MESSAGE_CONTENT, message_id="answer", delta=word
        )
        await asyncio.sleep(0)
    if asked.messages[-1].content == "break off":
        raise RuntimeError("asked to break off")
    yield TextMessageEndEvent(type=EventType.TEXT_MESSAGE_END, message_id="answer")
    yield RunFinishedEvent(type=EventType.RUN_FINISHED, thread_id=thread, run_id=number)


async def invocations(request: Request) -> Response:
    """Run once, and stream what happens."""
    asked = RunAgentInput.model_validate_json(await request.body())
    user = request.headers.get("x-amzn-bedrock-agentcore-runtime-user-id", "nobody")
    encoder = EventEncoder()

    async def encoded() -> AsyncIterator[str]:
        async for event in run(asked, user):
            yield encoder.encode(event)

    return StreamingResponse(encoded(), media_type="text/event-stream")


async def ping(request: Request) -> Response:
    """Say that it is well."""
    return JSONResponse({"status": "Healthy"})


app = Starlette(routes=[Route("/invocations", invocations, methods=["POST"]), Route("/ping", ping)])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="critical")
