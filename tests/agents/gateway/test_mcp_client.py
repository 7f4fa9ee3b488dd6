"""The official MCP client at a server of the official SDK, through the gateway, as a person."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from agents import workload
from agents.models import Agent
from core.subject import Subject
from tests.agents.conftest import make_agent
from tests.agents.gateway.conftest import events
from tests.agents.plane import Plane, invocation_path
from tests.demo_agents.processes import AgentProcess, environment_of, free_port, running
from tests.fixtures.issuer import Issuer
from tests.sdk import scripts
from tests.sdk.scripts import documented

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
    assert {event[0:2] for event in events(counter)} == {
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
