"""An A2A agent made with the official SDK. It says a sentence word by word, and for whom."""

from __future__ import annotations

import os

import uvicorn
from a2a.helpers import new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    HTTPAuthSecurityScheme,
    SecurityScheme,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PORT = int(os.environ["PORT"])
URL = f"http://127.0.0.1:{PORT}/"
WORDS = ("I", "act", "for")

CARD = AgentCard(
    name="Echo",
    description="Says for whom it acts.",
    version="1.0.0",
    supported_interfaces=[
        AgentInterface(url=f"{URL}grpc", protocol_binding="GRPC", protocol_version="1.0"),
        AgentInterface(url=URL, protocol_binding="JSONRPC", protocol_version="1.0"),
        AgentInterface(url=f"{URL}rest", protocol_binding="HTTP+JSON", protocol_version="1.0"),
    ],
    capabilities=AgentCapabilities(streaming=True, extended_agent_card=True),
    security_schemes={
        "own": SecurityScheme(http_auth_security_scheme=HTTPAuthSecurityScheme(scheme="basic"))
    },
    default_input_modes=["text/plain"],
    default_output_modes=["text/plain"],
    skills=[AgentSkill(id="echo", name="Echo", description="Says for whom.", tags=["echo"])],
)


class Echo(AgentExecutor):
    """Answers each message with the same words and the caller's name."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Say one word at a time."""
        assert context.message is not None
        task = context.current_task or new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        headers = context.call_context.state["headers"]
        user = headers.get("x-amzn-bedrock-agentcore-runtime-user-id", "nobody")
        for number, word in enumerate((*WORDS, user)):
            await updater.add_artifact(
                [new_text_part(word)],
                artifact_id="words",
                append=number > 0,
                last_chunk=word == user,
            )
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Do nothing: it is over in a moment."""


async def ping(request: Request) -> Response:
    """Say that it is well."""
    return JSONResponse({"status": "Healthy"})


if __name__ == "__main__":
    handler = DefaultRequestHandler(
        agent_executor=Echo(), task_store=InMemoryTaskStore(), agent_card=CARD
    )
    app = Starlette(
        routes=[
            *create_agent_card_routes(CARD),
            *create_jsonrpc_routes(handler, "/", enable_v0_3_compat=True),
            Route("/ping", ping),
        ]
    )
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
