"""Bodies flow both ways as they are made; whoever leaves takes the whole way down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from agents.models import Agent
from tests.agents.gateway.conftest import Invoke, events
from tests.agents.plane import Plane, invocation_path
from tests.agents.small_agent import Call, SmallAgent
from tests.fixtures.issuer import Issuer

MIB = 1 << 20


@pytest.fixture
def bearer(issuer: Issuer) -> dict[str, str]:
    return {"authorization": f"Bearer {issuer.token()}"}


def waiting_for_end(agent: Agent) -> list[tuple[str, str, str]]:
    """Return the events once the call's end is on record, which is a moment after it."""
    pause = threading.Event()
    until = time.monotonic() + 5
    while time.monotonic() < until:
        found = events(agent)
        if found and found[-1][0] == "agent.invocation.ended":
            return found
        pause.wait(0.02)
    return events(agent)


def test_the_first_chunk_arrives_before_the_last_is_made(
    plane: Plane, agent: Agent, upstream: SmallAgent, bearer: dict[str, str]
) -> None:
    go_on = threading.Event()

    def behaviour(call: Call) -> None:
        call.begin()
        call.chunk(b"data: first\n\n")
        assert go_on.wait(10)
        call.chunk(b"data: last\n\n")
        call.end()

    upstream.behaviour = behaviour
    connection, answer = plane.send(invocation_path(agent), headers=bearer)
    try:
        assert answer.getheader("content-type") == "text/event-stream"
        assert answer.read1(100) == b"data: first\n\n"
        go_on.set()
        assert answer.read() == b"data: last\n\n"
    finally:
        go_on.set()
        connection.close()


def test_the_request_streams_too(
    plane: Plane, agent: Agent, upstream: SmallAgent, issuer: Issuer, bearer: dict[str, str]
) -> None:
    def body() -> Iterator[bytes]:
        yield b"first "
        yield b"last"

    reply = plane.ask(invocation_path(agent), headers=bearer, body=body())

    assert reply.status == 200
    call = upstream.next_call()
    assert (call.body, call.header("transfer-encoding")) == (b"first last", "chunked")


def test_a_body_of_known_length_arrives_with_its_length(
    invoke: Invoke, upstream: SmallAgent
) -> None:
    body = bytes(range(256)) * 4096

    assert invoke(body=body).status == 200

    call = upstream.next_call()
    assert call.body == body
    assert call.header("content-length") == str(len(body))
    assert call.header("transfer-encoding") is None


def test_an_empty_body_is_an_empty_body(invoke: Invoke, upstream: SmallAgent) -> None:
    assert invoke(body=b"").status == 200
    assert upstream.next_call().body == b""


def test_a_large_answer_arrives_whole(invoke: Invoke, upstream: SmallAgent) -> None:
    def behaviour(call: Call) -> None:
        call.begin("application/octet-stream")
        for number in range(64):
            call.chunk(bytes([number]) * (MIB // 8))
        call.end()

    upstream.behaviour = behaviour

    body = invoke().body

    assert len(body) == 8 * MIB
    assert body[:: MIB // 8] == bytes(range(64))


Leave = Callable[[], None]


def test_a_client_that_leaves_while_the_agent_thinks_closes_the_way(
    plane: Plane, agent: Agent, upstream: SmallAgent, bearer: dict[str, str]
) -> None:
    hung_up = threading.Event()

    def behaviour(call: Call) -> None:
        if call.left_within(10):
            hung_up.set()

    upstream.behaviour = behaviour
    sending = threading.Thread(target=_send_and_leave, args=(plane, agent, bearer, upstream))
    sending.start()
    sending.join()

    assert hung_up.wait(10)
    assert waiting_for_end(agent)[-1] == ("agent.invocation.ended", "allowed", "client_left")


def _send_and_leave(
    plane: Plane, agent: Agent, bearer: dict[str, str], upstream: SmallAgent
) -> None:
    """Send a whole request, wait until the agent has it, and hang up."""
    with plane.connected() as peer:
        peer.sendall(plane.head(invocation_path(agent), bearer, length=2) + b"{}")
        upstream.next_call()


def test_a_client_that_leaves_in_the_middle_of_the_answer_does_too(
    plane: Plane, agent: Agent, upstream: SmallAgent, bearer: dict[str, str]
) -> None:
    hung_up = threading.Event()

    def behaviour(call: Call) -> None:
        call.begin()
        call.chunk(b"data: first\n\n")
        if call.left_within(10):
            hung_up.set()

    upstream.behaviour = behaviour
    connection, answer = plane.send(invocation_path(agent), headers=bearer)
    assert answer.read1(100) == b"data: first\n\n"
    answer.close()
    connection.close()

    assert hung_up.wait(10)
    found = waiting_for_end(agent)
    assert found[-1] == ("agent.invocation.ended", "allowed", "client_left")


def test_half_a_request_never_looks_like_a_whole_one(
    plane: Plane, agent: Agent, upstream: SmallAgent, bearer: dict[str, str]
) -> None:
    with plane.connected() as peer:
        peer.sendall(plane.head(invocation_path(agent), bearer, length=None))
        peer.sendall(b"8\r\nhalf a r\r\n")
        upstream.wait_for_connection()

    found = waiting_for_end(agent)
    assert found[0] == ("agent.invocation", "allowed", "")
    assert found[-1][0] == "agent.invocation.ended"
    assert all(not call.whole for call in upstream.calls)


@pytest.mark.parametrize("declared", [100 * MIB + 1, 10**30])
def test_a_body_that_is_declared_too_large_is_refused_before_it_is_read(
    plane: Plane, agent: Agent, upstream: SmallAgent, bearer: dict[str, str], declared: int
) -> None:
    with plane.connected() as peer:
        peer.sendall(plane.head(invocation_path(agent), bearer, length=declared))
        status = peer.recv(4096).split(b" ", 2)[1]

    # A length that no machine has is the server's own to refuse.
    assert status == b"400"
    assert upstream.calls == []


def test_a_body_that_turns_out_too_large_is_refused_on_the_way(
    plane: Plane, agent: Agent, upstream: SmallAgent, bearer: dict[str, str]
) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(101):
            yield b"x" * MIB

    reply = plane.ask(
        invocation_path(agent), headers=bearer, body=endless(), timeout_s=60, may_break=True
    )

    assert (reply.status, reply.error) == (400, "ValidationException")
    assert "104857600 bytes" in reply.message
    assert waiting_for_end(agent)[-1] == ("agent.invocation.ended", "failed", "too_large")
    assert all(not call.whole for call in upstream.calls)


def test_connections_to_an_agent_are_kept_between_calls(
    invoke: Invoke, upstream: SmallAgent
) -> None:
    for _ in range(5):
        assert invoke().status == 200

    assert len(upstream.calls) == 5
    assert upstream.connections == 1
