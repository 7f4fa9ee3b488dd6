"""The scheduler, called by an A2A client as Daiko's gateway calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
from a2a.client import ClientConfig, create_client
from a2a.helpers import get_message_text, new_text_message
from a2a.types import Role, SendMessageRequest, TaskState

from tests.demo_agents.processes import AgentProcess
from tests.demo_agents.stand_ins import StandIn

REFUSAL = "This agent is not for the person on whose behalf it is called."


async def _asked(url: str) -> list[tuple[TaskState, str]]:
    heard = []
    async with asyncio.timeout(20), httpx.AsyncClient(timeout=20) as http:
        client = await create_client(url, ClientConfig(httpx_client=http))
        message = new_text_message("When am I free today?", role=Role.ROLE_USER)
        async for event in client.send_message(SendMessageRequest(message=message)):
            status = event.status_update.status
            heard.append((status.state, get_message_text(status.message)))
    return heard


def test_what_refuses_the_tools_is_told_to_whoever_asked(
    start_agent: Callable[..., AgentProcess], identity: StandIn
) -> None:
    error = {"code": -32002, "message": REFUSAL}
    refusal = {"jsonrpc": "2.0", "id": None, "error": error}
    identity.reply(refusal, status=403, Content_Type="application/json")
    scheduler = start_agent(
        "scheduler",
        CALENDAR_TOOLS_URL=f"{identity.url}/mcp",
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="agent-key",
        AWS_SECRET_ACCESS_KEY="agent-secret",
    )

    heard = asyncio.run(_asked(scheduler.url))

    state, words = heard[-1]
    assert state == TaskState.TASK_STATE_FAILED
    assert words == f"The calendar tools cannot be asked: {REFUSAL}"
