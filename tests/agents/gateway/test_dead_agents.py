"""Agents that are killed in the middle of their answer: whoever reads it is told, and the trail."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from agents.models import Agent
from core.models import AuditEvent
from tests.agents.conftest import make_agent
from tests.agents.gateway.faults import FarAgent, far_agent, will
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, invocation_path
from tests.fixtures.issuer import Issuer


@pytest.fixture
def far() -> Iterator[FarAgent]:
    with far_agent() as running:
        yield running


Speaking = Callable[..., Agent]


@pytest.fixture
def speaking(plane: Plane, issuer: Issuer, far: FarAgent, people: object) -> Speaking:
    """Register the far agent as one of a protocol."""

    def make(protocol: str, url: str = "") -> Agent:
        return make_agent(
            f"{protocol.lower()}_{far.process.pid}",
            issuer,
            url=url or far.url,
            protocol=protocol,
            everyone=True,
            header_allowlist=("X-Tenant",),
        )

    return make


def begun(
    plane: Plane, agent: Agent, issuer: Issuer, does: str
) -> tuple[HTTPConnection, HTTPResponse]:
    """Return an answer that has begun."""
    headers = {
        "authorization": f"Bearer {issuer.token()}",
        "accept": "application/json, text/event-stream",
        "x-tenant": does,
    }
    body = json.dumps({"jsonrpc": "2.0", "id": "seven", "method": "tools/call"}).encode()
    return plane.send(invocation_path(agent), headers=headers, body=body)


def ended_badly(agent: Agent) -> bool:
    """Say whether the call's end is on record as failed, and with what was seen of it."""
    if waiting_for_end(agent)[-1] != ("agent.invocation.ended", "failed", "agent_failed"):
        return False
    end = AuditEvent.objects.get(agent=agent.agent_id, action="agent.invocation.ended")
    return bool(end.detail["failure"])


def test_over_http_the_answer_does_not_look_whole(
    plane: Plane, speaking: Speaking, issuer: Issuer, far: FarAgent
) -> None:
    agent = speaking("HTTP")
    connection, answer = begun(plane, agent, issuer, "chunk-1")
    assert answer.readline() == b"data: first\n"

    far.kill()

    with pytest.raises(IncompleteRead):
        answer.read()
    connection.close()
    assert ended_badly(agent)


@pytest.mark.parametrize("does", ["chunk-1", "half-1"])
def test_over_ag_ui_the_run_ends_with_an_error_and_no_half_event(
    plane: Plane, speaking: Speaking, issuer: Issuer, far: FarAgent, does: str
) -> None:
    agent = speaking("AGUI")
    connection, answer = begun(plane, agent, issuer, does)
    assert answer.readline() == b"data: first\n"

    far.kill()

    told = event_of(answer.read())
    connection.close()
    assert (told["type"], told["code"]) == ("RUN_ERROR", "agent_failed")
    assert ended_badly(agent)


@pytest.mark.parametrize("protocol", [("MCP", -32010), ("A2A", -32055)])
def test_over_json_rpc_the_request_is_answered_with_an_error(
    plane: Plane,
    speaking: Speaking,
    issuer: Issuer,
    far: FarAgent,
    protocol: tuple[str, int],
) -> None:
    name, code = protocol
    agent = speaking(name)
    connection, answer = begun(plane, agent, issuer, "half-1")
    assert answer.readline() == b"data: first\n"

    far.kill()

    told = event_of(answer.read())
    connection.close()
    assert (told["jsonrpc"], told["id"]) == ("2.0", "seven")
    assert told["error"]["code"] == code
    assert ended_badly(agent)


@pytest.mark.parametrize("does", ["resumable-1", "answered-1"])
def test_over_mcp_a_stream_to_come_back_to_and_an_answered_request_get_no_error(
    plane: Plane, speaking: Speaking, issuer: Issuer, far: FarAgent, does: str
) -> None:
    agent = speaking("MCP")
    connection, answer = begun(plane, agent, issuer, does)
    assert answer.readline()
    assert will(lambda: "1" in far.arrived)

    far.kill()

    with pytest.raises(IncompleteRead) as caught:
        answer.read()
    connection.close()
    assert b'"error"' not in caught.value.partial
    assert ended_badly(agent)


def test_a_call_that_waits_for_its_answer_is_told_in_json_rpc(
    plane: Plane, speaking: Speaking, issuer: Issuer, far: FarAgent
) -> None:
    agent = speaking("MCP")
    found: list[Any] = []

    asking = threading.Thread(target=lambda: found.append(begun(plane, agent, issuer, "silent-1")))
    asking.start()
    assert will(lambda: "1" in far.arrived)

    far.kill()

    asking.join()
    connection, answer = found[0]
    told = json.loads(answer.read())
    connection.close()
    assert (told["id"], told["error"]["code"]) == ("seven", -32010)
    assert ended_badly(agent)


def test_over_a_web_socket_the_close_says_that_it_broke(
    plane: Plane, speaking: Speaking, issuer: Issuer, far: FarAgent
) -> None:
    agent = speaking("HTTP", far.socket_url)
    url = plane.url.replace("http:", "ws:") + invocation_path(agent).replace("/invocations", "/ws")
    sent = {"Authorization": f"Bearer {issuer.token()}", "X-Tenant": "silent-1"}
    with connect(url, additional_headers=sent, proxy=None) as client:
        assert client.recv(10) == "first"

        far.kill()

        with pytest.raises(ConnectionClosedError):
            client.recv(10)
        assert client.close_code == 1011
    assert ended_badly(agent)


def event_of(stream: bytes) -> Any:
    """Return what the one event of a stream says."""
    [line] = [line for line in stream.split(b"\n") if line]
    return json.loads(line.removeprefix(b"data: "))
