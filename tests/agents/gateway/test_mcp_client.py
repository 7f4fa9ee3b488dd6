"""The official MCP client and the demo's server: who is refused, and where to sign in."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from agents.models import Agent, AgentEndpoint
from tests.agents.conftest import make_agent
from tests.agents.gateway.conftest import events
from tests.agents.plane import Plane, invocation_path
from tests.demo_agents.processes import AgentProcess, running
from tests.fixtures.issuer import Issuer, Reply

REDIRECT = "http://localhost:3030/callback"


@pytest.fixture(scope="module")
def server() -> Iterator[AgentProcess]:
    nowhere = {"ACME_URL": "http://127.0.0.1:9", "AWS_REGION": "us-east-1"}
    with running("calendar_tools", **nowhere) as started:
        yield started


async def with_client(url: str, token: str, work: Any, mode: str) -> Any:
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        return await work(client)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> str:
    """Both eras of the protocol: requests on their own, and sessions with a handshake."""
    return str(request.param)


def test_somebody_who_may_not_use_it_learns_why_and_the_server_nothing(
    plane: Plane, agent: Agent, issuer: Issuer, server: AgentProcess, mode: str
) -> None:
    closed = make_agent(f"{agent.name}_closed_{mode}", issuer, url=server.url, protocol="MCP")

    async def work(client: Client) -> Any:
        return await client.list_tools()

    url = plane.url + invocation_path(closed)
    with pytest.raises(BaseExceptionGroup) as caught:
        run(with_client(url, issuer.token(), work, mode))

    assert "There is no such agent or endpoint, or you may not use it." in _texts(caught.value)
    assert {event[1] for event in events(closed)} == {"refused"}


def _texts(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return " ".join(_texts(each) for each in error.exceptions)
    return str(error)


class Kept:
    """What an MCP client keeps: it is registered at the issuer already, and has no token yet."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull:
        return OAuthClientInformationFull(
            client_id="portal",
            redirect_uris=[AnyUrl(REDIRECT)],
            token_endpoint_auth_method="none",
        )

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError("it is registered already")


@pytest.mark.parametrize("endpoint", ["", "beta"])
def test_the_client_finds_by_itself_where_to_sign_in(
    site: Plane, agent: Agent, issuer: Issuer, server: AgentProcess, endpoint: str
) -> None:
    asked: dict[str, str] = {}
    tools = make_agent(
        f"{agent.name}_oauth",
        issuer,
        url=server.url,
        protocol="MCP",
        everyone=True,
        allowed_scopes=("agents",),
    )
    version = tools.versions.order_by("-number").first()
    AgentEndpoint.objects.create(agent=tools, name="beta", version=version)
    issuer.routes["POST /token"] = lambda request: Reply(
        {"access_token": issuer.token(sub="alice"), "token_type": "Bearer", "expires_in": 300}
    )

    async def sign_in(url: str) -> None:
        asked.update(dict(parse_qsl(urlsplit(url).query)))

    async def come_back() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code="the-code", state=asked["state"])

    async def work() -> list[str]:
        path = invocation_path(tools, endpoint or None)
        auth = OAuthClientProvider(
            server_url=site.url + path,
            client_metadata=OAuthClientMetadata(redirect_uris=[AnyUrl(REDIRECT)]),
            storage=Kept(),
            redirect_handler=sign_in,
            callback_handler=come_back,
        )
        async with (
            create_mcp_http_client(auth=auth) as http,
            Client(streamable_http_client(site.url + path, http_client=http)) as client,
        ):
            return [tool.name for tool in (await client.list_tools()).tools]

    assert run(work()) == ["list_calendar_events"]
    assert (asked["client_id"], asked["scope"]) == ("portal", "agents")
    assert asked["resource"] == site.url + invocation_path(tools)
