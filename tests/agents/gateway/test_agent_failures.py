"""An agent that is down, fails or answers garbage becomes one clear error, and no stack trace."""

from __future__ import annotations

import socket
from http.client import IncompleteRead

import pytest

from agents import services
from agents.models import Agent, AgentVersion
from tests.agents.conftest import ADMIN, configured
from tests.agents.gateway.conftest import Invoke
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, Reply, invocation_path
from tests.agents.small_agent import Call, SmallAgent, small_agent
from tests.fixtures.issuer import Issuer


def failed(reply: Reply, agent: Agent, reason: str) -> None:
    """Assert that the call was let through and failed at the agent."""
    assert (reply.status, reply.error) == (424, "RuntimeClientError")
    assert set(reply.json()) == {"message"}
    for word in ("Traceback", "aiohttp", "127.0.0.1", "Errno", ".py"):
        assert word not in reply.body.decode()
    assert waiting_for_end(agent) == [
        ("agent.invocation", "allowed", ""),
        ("agent.invocation.ended", "failed", reason),
    ]


def test_an_agent_that_is_down(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    services.agent_configure(
        agent=agent, asked=configured(issuer, url=f"http://127.0.0.1:{port}"), actor=ADMIN
    )

    failed(invoke(), agent, "agent_unreachable")


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "500 Oops", "503 Busy"])
def test_an_agent_that_answers_with_an_error(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, status: str
) -> None:
    upstream.behaviour = lambda call: call.answer(
        {"error": "Traceback (most recent call last): s3cret"}, status=status
    )

    reply = invoke()

    failed(reply, agent, "agent_failed")
    assert reply.message == f"Received error ({status[:3]}) from the agent."


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "304 Same"])
def test_an_agent_that_redirects_is_not_followed(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, status: str
) -> None:
    upstream.behaviour = lambda call: call.answer(
        b"", status=status, location=f"{upstream.url}/elsewhere"
    )

    failed(invoke(), agent, "agent_failed")
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 abc\r\n\r\n", id="a bad status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", id="a bad length"),
        pytest.param(b"\x00" * 1000, id="zeroes"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, id="an endless header"),
    ],
)
def test_an_agent_that_answers_garbage(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, said: bytes
) -> None:
    def behaviour(call: Call) -> None:
        call.socket.sendall(said)
        call.socket.shutdown(socket.SHUT_RDWR)

    upstream.behaviour = behaviour

    failed(invoke(), agent, "agent_failed")


def test_an_answer_that_breaks_off_does_not_look_whole(
    plane: Plane, agent: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    def behaviour(call: Call) -> None:
        call.begin()
        call.chunk(b"data: first\n\n")
        call.socket.shutdown(socket.SHUT_RDWR)

    upstream.behaviour = behaviour
    headers = {"authorization": f"Bearer {issuer.token()}"}
    connection, answer = plane.send(invocation_path(agent), headers=headers)
    try:
        with pytest.raises((IncompleteRead, ConnectionError)) as caught:
            answer.read()
    finally:
        connection.close()

    assert "Traceback" not in str(caught.value)
    assert waiting_for_end(agent)[-1] == ("agent.invocation.ended", "failed", "agent_failed")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://localhost:{port}", id="a name that resolves to a private address"),
        pytest.param("https://169.254.169.254", id="an address that is not public"),
        pytest.param("http://localhost:{port}", id="in clear to a host that is not listed"),
    ],
)
def test_an_address_that_may_not_be_reached(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, url: str, issuer: Issuer
) -> None:
    # As if it had been allowed when it was registered, and is not any more.
    port = upstream.url.rpartition(":")[2]
    columns = configured(issuer, url=url.format(port=port)).columns()
    AgentVersion.objects.create(agent=agent, number=2, **columns)

    reply = invoke()

    failed(reply, agent, "agent_unreachable")
    assert upstream.connections == 0


def test_a_private_address_that_is_not_listed_is_not_connected_to(
    invoke: Invoke, agent: Agent, issuer: Issuer
) -> None:
    with small_agent("127.0.0.2") as hidden:
        columns = configured(issuer, url=hidden.url).columns()
        AgentVersion.objects.create(agent=agent, number=2, **columns)

        failed(invoke(), agent, "agent_unreachable")

        assert hidden.connections == 0


def test_what_an_agent_does_shows_no_secret_in_the_log(
    invoke: Invoke, plane: Plane, upstream: SmallAgent, issuer: Issuer
) -> None:
    token = issuer.token()
    upstream.behaviour = lambda call: call.answer({}, status="500 Oops")

    invoke(token=token, body=b'{"prompt": "pr1vate words"}')

    logged = plane.logged()
    wat = upstream.next_call().header("WorkloadAccessToken") or ""
    for secret in (token, token.split(".")[2], wat, wat[5:60], "pr1vate words"):
        assert secret not in logged
