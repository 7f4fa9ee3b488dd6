"""The calendar tools, called by an MCP client as Daiko's gateway calls them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

from tests.demo_agents.processes import AgentProcess
from tests.demo_agents.stand_ins import StandIn

WAT = "wat-that-nobody-may-read"
TOKEN = "token-that-nobody-may-read"
CALLBACK = "https://daiko.example/connections/"
SESSION_URI = "urn:ietf:params:oauth:request_uri:c0nsent-session"
LINK = (
    "https://daiko.example/identities/oauth2/authorize"
    "?request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Ac0nsent-session"
)
CONSENT_NEEDED = {
    "authorizationUrl": LINK,
    "sessionUri": SESSION_URI,
    "sessionStatus": "IN_PROGRESS",
}
EVENT = {
    "start": "2026-11-22T08:15:00+00:00",
    "end": "2026-11-22T09:00:00+00:00",
    "title": "Dentist",
    "place": "Mill Lane",
}
TOLD = {"WorkloadAccessToken": WAT, "OAuth2CallbackUrl": CALLBACK}


@pytest.fixture(scope="module")
def _tools(
    start_agent: Callable[..., AgentProcess], _servers: tuple[StandIn, StandIn]
) -> AgentProcess:
    identity, acme = _servers
    return start_agent(
        "calendar_tools",
        ACME_URL=acme.url,
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="agent-key",
        AWS_SECRET_ACCESS_KEY="agent-secret-that-nobody-may-read",
        AWS_ENDPOINT_URL_BEDROCK_AGENTCORE=identity.url,
        AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL=identity.url,
        AWS_MAX_ATTEMPTS="1",
    )


@pytest.fixture
def tools(_tools: AgentProcess, identity: StandIn, acme: StandIn) -> Iterator[AgentProcess]:
    acme.reply({"events": [EVENT]})
    yield _tools
    for secret in (WAT, TOKEN, "c0nsent-session", "agent-secret"):
        assert secret not in _tools.log


def call(
    tools: AgentProcess, told: dict[str, str], *, heard: list[Any] | None = None
) -> CallToolResult:
    """Return what the tool answers; `heard` gets what the client was told meanwhile."""

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        assert heard is not None
        heard.append(message)

    async def called() -> CallToolResult:
        async with (
            asyncio.timeout(20),
            httpx2.AsyncClient(headers=told, timeout=20) as http,
            Client(streamable_http_client(f"{tools.url}/mcp", http_client=http)) as client,
        ):
            shown = None if heard is None else on_progress
            day = {"day": "2026-11-22"}
            return await client.call_tool("list_calendar_events", day, progress_callback=shown)

    return asyncio.run(called())


def said(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if block.type == "text")


def test_it_reads_the_calendar_with_the_persons_own_token(
    tools: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply({"accessToken": TOKEN})

    answer = call(tools, TOLD)

    expected = {"start": "08:15", "end": "09:00", "title": "Dentist", "place": "Mill Lane"}
    assert answer.structured_content == {"result": [expected]}
    assert [request.headers["authorization"] for request in acme.requests] == [f"Bearer {TOKEN}"]
    assert identity.requests[0].body == {
        "workloadIdentityToken": WAT,
        "resourceCredentialProviderName": "acme-calendar",
        "scopes": ["calendar.read"],
        "oauth2Flow": "USER_FEDERATION",
        "resourceOauth2ReturnUrl": CALLBACK,
    }


def test_it_tells_where_to_consent_and_goes_on_in_the_same_call(
    tools: AgentProcess, identity: StandIn
) -> None:
    identity.reply(CONSENT_NEEDED)
    identity.reply({"accessToken": TOKEN})
    told: list[Any] = []

    answer = call(tools, TOLD, heard=told)

    assert told == [LINK]
    assert not answer.is_error
    assert identity.requests[1].body["sessionUri"] == SESSION_URI
    assert identity.requests[1].body["workloadIdentityToken"] == WAT


def test_whoever_shows_no_progress_gets_the_link_at_once_and_nobody_waits(
    tools: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply(CONSENT_NEEDED)

    answer = call(tools, TOLD)

    assert answer.is_error
    assert LINK in said(answer)
    assert (len(identity.requests), acme.requests) == (1, [])


def test_it_says_that_the_person_denied(
    tools: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply(CONSENT_NEEDED)
    identity.refuse("Calendar tools was not allowed to use Acme Calendar.")

    answer = call(tools, TOLD, heard=[])

    assert answer.is_error
    assert "Without it I cannot tell you" in said(answer)
    assert acme.requests == []


def test_for_nobody_it_asks_for_no_token(
    tools: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    answer = call(tools, {})

    assert answer.is_error
    assert "I was not told on whose behalf I act" in said(answer)
    assert (identity.requests, acme.requests) == ([], [])


def test_it_says_that_the_calendar_takes_the_permission_no_more(
    tools: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply({"accessToken": TOKEN})
    acme.replies.clear()
    acme.reply({}, status=401)

    answer = call(tools, TOLD)

    assert answer.is_error
    assert "Acme Calendar does not accept the permission" in said(answer)
