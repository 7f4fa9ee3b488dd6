"""MCP through the gateway: what passes, and how a refusal is said."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents import services
from agents.gateway import messages
from agents.models import Agent
from agents.models.registry import AgentVersion
from core.errors import InvalidRequest
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.gateway.conftest import Invoke
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, Reply, invocation_path
from tests.agents.small_agent import Call, SmallAgent
from tests.fixtures.issuer import Issuer
from tests.fixtures.loops import Run

MCP = {"accept": "application/json, text/event-stream"}
REQUEST = {"jsonrpc": "2.0", "id": "seven", "method": "tools/list"}


@pytest.fixture
def server(agent: Agent, issuer: Issuer, upstream: SmallAgent) -> Agent:
    """The agent, from now on an MCP server."""
    asked = configured(issuer, url=upstream.url, protocol=AgentVersion.Protocol.MCP)
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN)
    return agent


@pytest.fixture
def call(invoke: Invoke, server: Agent) -> Invoke:
    """Send a request as MCP clients do."""

    def calls(**request: Any) -> Reply:
        headers = {**MCP, **request.pop("headers", {})}
        body = request.pop("body", json.dumps(REQUEST).encode())
        return invoke(headers=headers, body=body, **request)

    return calls


def error_of(reply: Reply) -> tuple[int, int, Any, str]:
    """Return status, code, id and message of a JSON-RPC error."""
    told = reply.json()
    assert told["jsonrpc"] == "2.0"
    return reply.status, told["error"]["code"], told["id"], told["error"]["message"]


def test_a_request_goes_to_the_servers_own_path_with_the_protocols_headers(
    call: Invoke, upstream: SmallAgent
) -> None:
    upstream.behaviour = lambda each: each.answer(
        {"jsonrpc": "2.0", "id": "seven", "result": {}}, **{"Mcp-Protocol-Version": "2025-11-25"}
    )
    told = {
        "Mcp-Protocol-Version": "2025-11-25",
        "Mcp-Method": "tools/list",
        "Mcp-Name": "add",
        "Last-Event-ID": "9",
    }

    reply = call(headers={**told, "Mcp-Other": "no"})

    assert (reply.status, reply.headers["mcp-protocol-version"]) == (200, "2025-11-25")
    got = upstream.next_call()
    assert got.line == "POST /mcp HTTP/1.1"
    assert {name: got.header(name) for name in told} == told
    assert got.header("mcp-other") is None


def test_its_path_and_its_port_may_be_others(
    call: Invoke, server: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    port = int(upstream.url.rpartition(":")[2])
    asked = configured(
        issuer, url="http://127.0.0.1", port=port, protocol="MCP", path="/tools/stream"
    )
    services.agent_configure(agent=server, asked=asked, actor=ADMIN)

    assert call().status == 200

    assert upstream.next_call().line == "POST /tools/stream HTTP/1.1"


def test_the_servers_own_stream_is_read_with_a_get_while_it_is_made(
    plane: Plane, server: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    go_on = threading.Event()

    def behaviour(each: Call) -> None:
        each.begin()
        each.chunk(b"data: {}\n\n")
        assert go_on.wait(10)
        each.end()

    upstream.behaviour = behaviour
    bearer = {"authorization": f"Bearer {issuer.token()}", "accept": "text/event-stream"}
    connection, answer = plane.send(invocation_path(server), method="GET", headers=bearer, body=b"")
    try:
        assert answer.read1(100) == b"data: {}\n\n"
    finally:
        go_on.set()
        connection.close()
    got = upstream.next_call()
    assert (got.line, got.body) == ("GET /mcp HTTP/1.1", b"")
    assert got.header("transfer-encoding") is None


def test_a_client_that_leaves_the_servers_stream_closes_it_within_a_second(
    plane: Plane, server: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    hung_up = threading.Event()

    def behaviour(each: Call) -> None:
        each.begin()
        each.chunk(b"data: {}\n\n")
        if each.left_within(10):
            hung_up.set()

    upstream.behaviour = behaviour
    bearer = {"authorization": f"Bearer {issuer.token()}", "accept": "text/event-stream"}
    connection, answer = plane.send(invocation_path(server), method="GET", headers=bearer, body=b"")
    assert answer.read1(100) == b"data: {}\n\n"
    answer.close()
    connection.close()

    assert hung_up.wait(10)
    assert waiting_for_end(server)[-1] == ("agent.invocation.ended", "allowed", "client_left")


def test_a_get_with_a_body_is_refused(call: Invoke, upstream: SmallAgent) -> None:
    assert call(method="GET").status == 400
    assert upstream.calls == []


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_and_one_with_a_body_that_does_not_come_is_not_waited_for(
    plane: Plane, server: Agent, framing: str
) -> None:
    head = f"GET {invocation_path(server)} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"

    with socket.create_connection(("127.0.0.1", plane.port), timeout=4) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_nor_is_one_whose_end_nobody_tells(monkeypatch: pytest.MonkeyPatch, run: Run[None]) -> None:
    async def body() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    monkeypatch.setattr(messages, "_BODILESS_S", 0.01)
    with pytest.raises(InvalidRequest):
        run(messages.refuse_body(messages.Inbound("GET", "/", "", (), body())))


@pytest.mark.parametrize("status", ["202 Accepted", "400 Bad", "404 Gone", "405 No", "406 No"])
def test_a_status_that_the_transport_knows_passes_with_its_body(
    call: Invoke, upstream: SmallAgent, status: str
) -> None:
    said = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "the server's own"}}
    upstream.behaviour = lambda each: each.answer(said, status=status, Allow="POST")

    reply = call()

    assert (reply.status, reply.json()) == (int(status[:3]), said)
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize("status", ["401 Who", "403 No", "500 Oops", "503 Busy", "307 There"])
def test_any_other_error_of_the_server_is_the_servers_failure(
    call: Invoke, upstream: SmallAgent, server: Agent, status: str
) -> None:
    upstream.behaviour = lambda each: each.answer(
        {"secret": "s3cret"}, status=status, **{"WWW-Authenticate": "Bearer"}
    )

    reply = call()

    assert error_of(reply)[:3] == (200, -32010, "seven")
    assert "s3cret" not in reply.body.decode()
    assert "www-authenticate" not in reply.headers
    assert waiting_for_end(server)[-1] == ("agent.invocation.ended", "failed", "agent_failed")


def test_without_a_token_it_says_where_to_get_one(call: Invoke, upstream: SmallAgent) -> None:
    reply = call(token=None)

    assert error_of(reply) == (401, -32001, "seven", "Missing Authentication Token")
    assert reply.headers["www-authenticate"].startswith('Bearer resource_metadata="https://')
    assert upstream.calls == []


def test_what_is_not_for_the_caller_is_said_in_json_rpc(
    call: Invoke, issuer: Issuer, server: Agent, upstream: SmallAgent
) -> None:
    off = make_agent(
        f"{server.name}_off", issuer, url=upstream.url, protocol="MCP", enabled=False, everyone=True
    )

    charlie = call(token=issuer.token(sub="charlie"))
    switched_off = call(path=invocation_path(off))

    assert error_of(charlie)[:3] == (200, -32004, "seven")
    assert error_of(switched_off)[:3] == (403, -32002, "seven")
    assert upstream.calls == []


def test_what_is_wrong_with_the_request_is_said_in_json_rpc(
    call: Invoke, upstream: SmallAgent
) -> None:
    session = "x-amzn-bedrock-agentcore-runtime-session-id"

    status, code, rpc_id, message = error_of(call(headers={session: "short"}))

    assert (status, code, rpc_id) == (200, -32006, "seven")
    assert "runtimeSessionId" in message
    assert upstream.calls == []


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "text/html", ""])
def test_a_client_that_does_not_take_both_kinds_of_answer_is_refused(
    call: Invoke, upstream: SmallAgent, accept: str
) -> None:
    assert error_of(call(headers={"accept": accept}))[:3] == (406, -32011, "seven")
    assert upstream.calls == []


@pytest.mark.parametrize("accept", ["*/*", "application/*, text/*;q=0.5"])
def test_a_client_that_takes_anything_is_served(call: Invoke, accept: str) -> None:
    assert call(headers={"accept": accept}).status == 200


@pytest.mark.parametrize(
    ("body", "rpc_id"),
    [
        (b'{"id": 12}', 12),
        (b'{"id": "a"}', "a"),
        (b'{"id": true}', None),
        (b'{"id": {"a": 1}}', None),
        (b'[{"id": 1}]', None),
        (b"not json", None),
        (b"", None),
        (b'{"id": 1, "x": "' + b"y" * 70_000 + b'"}', None),
        (b"[" * 60_000, None),
    ],
)
def test_a_refusal_answers_the_requests_id_where_it_can_be_had(
    call: Invoke, body: bytes, rpc_id: Any
) -> None:
    assert error_of(call(token=None, body=body))[2] == rpc_id


def test_whoever_keeps_the_rest_of_a_request_is_answered_without_its_id(
    plane: Plane, server: Agent
) -> None:
    with plane.connected() as peer:
        peer.sendall(plane.head(invocation_path(server), MCP, length=100) + b'{"id": 1')
        answer = b""
        while b"}}" not in answer:
            received = peer.recv(4096)
            assert received, answer
            answer += received

    assert answer.startswith(b"HTTP/1.1 401")
    assert b'"id": null' in answer


def test_without_credentials_a_get_is_a_401_too(call: Invoke) -> None:
    reply = call(method="GET", token=None, body=b"")

    assert error_of(reply)[:3] == (401, -32001, None)
    assert "www-authenticate" in reply.headers


def test_a_get_that_is_not_for_the_caller_has_the_errors_own_status(
    call: Invoke, issuer: Issuer
) -> None:
    reply = call(method="GET", token=issuer.token(sub="charlie"), body=b"")

    assert error_of(reply)[:3] == (404, -32004, None)


@pytest.mark.parametrize("protocol", ["HTTP", "A2A", "AGUI"])
def test_agents_of_other_protocols_answer_a_post_alone(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent, protocol: str
) -> None:
    other = make_agent(f"{agent.name}_{protocol}", issuer, url=upstream.url, protocol=protocol)

    replies = [
        invoke(path=invocation_path(other), method=method, body=b"") for method in ("GET", "DELETE")
    ]

    assert [reply.error for reply in replies] == ["UnknownOperationException"] * 2
    assert upstream.calls == []
