"""The official MCP client at a server of the official SDK, through the gateway, as a person."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
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

from agents import workload
from agents.models import Agent, AgentEndpoint
from core.subject import Subject
from tests.agents.conftest import make_agent
from tests.agents.gateway.conftest import events
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, invocation_path
from tests.demo_agents.processes import AgentProcess, environment_of, free_port, running
from tests.fixtures.issuer import Issuer, Reply
from tests.sdk import scripts
from tests.sdk.scripts import documented

REDIRECT = "http://localhost:3030/callback"
SERVER = Path(__file__).parents[1] / "speaking" / "mcp_server.py"


@pytest.fixture(scope="module")
def server() -> Iterator[AgentProcess]:
    with running(str(SERVER)) as started:
        yield started


@pytest.fixture
def counter(agent: Agent, issuer: Issuer, server: AgentProcess) -> Agent:
    """The running server, registered for everybody."""
    return make_agent(f"{agent.name}_mcp", issuer, url=server.url, protocol="MCP", everyone=True)


class Told:
    """What a client was told while it waited."""

    def __init__(self) -> None:
        self.progress: list[float] = []

    async def noted(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress.append(progress)


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


def test_the_client_lists_tools_and_hears_of_progress_while_one_runs(
    plane: Plane, counter: Agent, issuer: Issuer, mode: str
) -> None:
    told = Told()

    async def work(client: Client) -> tuple[list[str], Any]:
        listed = await client.list_tools()
        result = await client.call_tool("count", {"up_to": 5}, progress_callback=told.noted)
        return [tool.name for tool in listed.tools], result.structured_content

    url = plane.url + invocation_path(counter)
    names, result = run(with_client(url, issuer.token(), work, mode))

    assert names == ["count", "who"]
    assert result == {"result": 5}
    assert told.progress == [1, 2, 3, 4, 5]
    assert {event[:2] for event in waiting_for_end(counter)} == {
        ("agent.invocation", "allowed"),
        ("agent.invocation.ended", "allowed"),
    }


def test_the_server_acts_for_the_person_with_a_token_of_its_own(
    plane: Plane, counter: Agent, issuer: Issuer, mode: str
) -> None:
    async def work(client: Client) -> Any:
        return [(await client.call_tool("who", {})).structured_content for _ in range(2)]

    url = plane.url + invocation_path(counter)
    first, second = run(with_client(url, issuer.token(sub="alice"), work, mode))

    assert (first["user"], first["authorization"]) == ("alice", "")
    assert workload.read(first["token"]).subject == Subject(issuer.url, "alice")
    assert (first["session"] == second["session"]) is (mode == "legacy")


def test_the_documented_client_runs(
    plane: Plane, counter: Agent, issuer: Issuer, tmp_path: Path
) -> None:
    script = tmp_path / "client.py"
    script.write_text(documented("python", "Lists the tools of an MCP server"))
    told = {"AGENT_URL": plane.url + invocation_path(counter), "TOKEN": issuer.token()}

    printed = scripts.run(
        [sys.executable, script], cwd=tmp_path, env=environment_of(free_port(), told)
    )

    assert printed == ["count", "who", "{'result': 3}"]


def test_somebody_who_may_not_use_it_learns_why_and_the_server_nothing(
    plane: Plane, agent: Agent, issuer: Issuer, server: AgentProcess, mode: str
) -> None:
    closed = make_agent(f"{agent.name}_closed_{mode}", issuer, url=server.url, protocol="MCP")

    async def work(client: Client) -> Any:
        return await client.list_tools()

    url = plane.url + invocation_path(closed)
    with pytest.raises(BaseExceptionGroup) as caught:
        run(with_client(url, issuer.token(), work, mode))

    assert "There is no such agent, or you may not use it." in _texts(caught.value)
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
    counter = make_agent(
        f"{agent.name}_oauth",
        issuer,
        url=server.url,
        protocol="MCP",
        everyone=True,
        allowed_scopes=("agents",),
    )
    version = counter.versions.order_by("-number").first()
    AgentEndpoint.objects.create(agent=counter, name="beta", version=version)
    issuer.routes["POST /token"] = lambda request: Reply(
        {"access_token": issuer.token(sub="alice"), "token_type": "Bearer", "expires_in": 300}
    )

    async def sign_in(url: str) -> None:
        asked.update(dict(parse_qsl(urlsplit(url).query)))

    async def come_back() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code="the-code", state=asked["state"])

    async def work() -> list[str]:
        path = invocation_path(counter, endpoint or None)
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

    assert run(work()) == ["count", "who"]
    assert (asked["client_id"], asked["scope"]) == ("portal", "agents")
    assert asked["resource"] == site.url + invocation_path(counter)
