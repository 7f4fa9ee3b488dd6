"""One question to an agent, by the client of each protocol. Each yields the answer as it comes."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import httpx
import httpx2
from a2a.client import ClientConfig, create_client
from a2a.helpers import get_artifact_text, get_message_text, new_text_message
from a2a.types import Role, SendMessageRequest, TaskState
from ag_ui.core import RunAgentInput, UserMessage
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from demo.agents.days import days_in, today

# A person may take minutes to allow what an agent asks for, and nothing comes meanwhile.
PATIENCE_S = 600.0


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _open(link: str) -> str:
    return f"Open {link}\n(It waits for you there, for ten minutes.)\n"


async def by_mcp(url: str, token: str, question: str) -> AsyncIterator[str]:
    """List the tools, and use the calendar's for the days that `question` names."""
    links: asyncio.Queue[str | None] = asyncio.Queue()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        if message:
            links.put_nowait(message)

    async with (
        httpx2.AsyncClient(headers=_bearer(token), timeout=PATIENCE_S) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        tools = (await client.list_tools()).tools
        yield f"Tools: {', '.join(tool.name for tool in tools)}\n"
        for day in days_in(question, today=today()) or [today()]:
            calling = asyncio.create_task(
                client.call_tool(
                    "list_calendar_events",
                    {"day": day.isoformat()},
                    progress_callback=on_progress,
                )
            )
            calling.add_done_callback(lambda _: links.put_nowait(None))
            while link := await links.get():
                yield _open(link)
            result = await calling
            yield "".join(f"{block.text}\n" for block in result.content if block.type == "text")


async def by_a2a(url: str, token: str, question: str) -> AsyncIterator[str]:
    """Read the agent's card, send it a message, and hear its artifact."""
    async with httpx.AsyncClient(headers=_bearer(token), timeout=PATIENCE_S) as http:
        client = await create_client(url, ClientConfig(httpx_client=http))
        request = SendMessageRequest(message=new_text_message(question, role=Role.ROLE_USER))
        async for event in client.send_message(request):
            if event.HasField("artifact_update"):
                yield get_artifact_text(event.artifact_update.artifact)
            elif text := get_message_text(event.status_update.status.message):
                state = event.status_update.status.state
                yield _open(text) if state == TaskState.TASK_STATE_AUTH_REQUIRED else f"{text}\n"


async def by_agui(url: str, token: str, question: str) -> AsyncIterator[str]:
    """Run the agent once, and hear its message. AG-UI has no client in Python: it is one POST."""
    asked = RunAgentInput(
        thread_id=str(uuid.uuid4()),
        run_id=str(uuid.uuid4()),
        state={},
        messages=[UserMessage(id=str(uuid.uuid4()), content=question)],
        tools=[],
        context=[],
        forwarded_props={},
    )
    body = asked.model_dump(mode="json", by_alias=True, exclude_none=True)
    async with (
        httpx.AsyncClient(headers=_bearer(token), timeout=PATIENCE_S) as http,
        http.stream("POST", url, json=body) as answer,
    ):
        if answer.is_error:
            await answer.aread()
            raise SystemExit(answer.json()["message"])
        async for line in answer.aiter_lines():
            event = json.loads(line.removeprefix("data: ")) if line else {}
            match event.get("type"):
                case "TEXT_MESSAGE_CONTENT":
                    yield event["delta"]
                case "CUSTOM" if event["name"] == "authorization_url":
                    yield _open(event["value"])
                case "RUN_ERROR":
                    raise SystemExit(f"The run failed: {event['message']}")
