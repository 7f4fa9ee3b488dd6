"""Whoever takes nothing holds up whoever sends: what is not taken is nowhere kept."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

from agents.models import Agent
from tests.agents.conftest import make_agent
from tests.agents.gateway.faults import FarAgent, Held, far_agent, head_of, will
from tests.agents.plane import Plane, invocation_path, running_plane
from tests.fixtures.issuer import Issuer

MIB = 1 << 20
READERS = 50
STILL = 50  # looks, 20 ms apart
# 200 MiB are offered. What the kernel keeps between two sockets is none of the gateway's memory:
# it grows to 6 MiB (tcp_wmem, tcp_rmem) on either side of it.
KEPT_BY_KERNELS = 40 * MIB
# What it keeps itself of each, however much is offered: a read of the agent's socket, as much again
# that the server has taken to send, and what the allocators round up.
OF_EACH_MIB = 4.0


@pytest.fixture
def far() -> Iterator[FarAgent]:
    with far_agent() as running:
        yield running


@pytest.fixture
def own(plane: Plane, tmp_path: Path) -> Iterator[Plane]:
    """A gateway that no other test has called, nor calls."""
    with running_plane(tmp_path / "log") as running:
        yield running


Told = Callable[[str], Agent]


@pytest.fixture
def told(issuer: Issuer, far: FarAgent, people: object) -> Told:
    """Register the far agent."""

    def make(url: str) -> Agent:
        return make_agent(
            f"far_{far.process.pid}",
            issuer,
            url=url,
            everyone=True,
            header_allowlist=("X-Tenant",),
        )

    return make


def held_up(far: FarAgent, numbers: list[str]) -> bool:
    """Wait until nothing more of what is offered is taken; say whether that is before its end."""

    def still() -> bool:
        seen.append(sum(far.offered[number] for number in numbers))
        return len(seen) > STILL and seen[-1] == seen[-STILL]

    seen: list[int] = []
    return will(still) and all(far.offered[number] < 199 * MIB for number in numbers)


@pytest.mark.parametrize("readers", [1, READERS])
def test_readers_who_take_nothing_hold_the_agent_up_and_not_memory(
    own: Plane, told: Told, far: FarAgent, issuer: Issuer, readers: int
) -> None:
    agent, held = told(far.url), Held(own)
    token = issuer.token()
    numbers = [str(number) for number in range(readers)]
    _warm_up(own, agent, far, token)
    before = held.mib()

    with ExitStack() as stack:
        for number in numbers:
            peer = stack.enter_context(own.connected())
            peer.sendall(head_of(own, agent, token, f"flood-{number}") + b"{}")
        assert will(lambda: all(number in far.arrived for number in numbers))

        assert held_up(far, numbers)

        grown = held.mib() - before
        assert all(far.offered[number] < KEPT_BY_KERNELS for number in numbers)
        assert grown < readers * OF_EACH_MIB, grown

    assert will(lambda: not far.open)
    assert will(lambda: held.sockets(own.port, far.port) == 0)


def test_a_reader_who_goes_on_gets_all_of_it(
    own: Plane, told: Told, far: FarAgent, issuer: Issuer
) -> None:
    agent, held = told(far.url), Held(own)
    token = issuer.token()
    _warm_up(own, agent, far, token)
    before = held.mib()
    with own.connected() as peer:
        peer.sendall(head_of(own, agent, token, "flood-0") + b"{}")
        assert held_up(far, ["0"])
        taken = 0
        while chunk := peer.recv(MIB):
            taken += len(chunk)
            if taken > 200 * MIB and chunk.endswith(b"0\r\n\r\n"):
                break
        assert taken > 200 * MIB
        grown = held.mib() - before
    assert grown < 2 * OF_EACH_MIB, grown


def test_a_reader_of_a_web_socket_who_takes_nothing_holds_the_agent_up_and_not_memory(
    own: Plane, told: Told, far: FarAgent, issuer: Issuer
) -> None:
    agent, held = told(far.socket_url), Held(own)
    url = own.url.replace("http:", "ws:") + invocation_path(agent).replace("/invocations", "/ws")
    sent = {"Authorization": f"Bearer {issuer.token()}"}

    def reader(does: str) -> ClientConnection:
        return connect(
            url,
            additional_headers={**sent, "X-Tenant": does},
            proxy=None,
            max_queue=1,
            close_timeout=1,
        )

    with reader("silent-999") as first:
        assert first.recv(10) == "first"
    before = held.mib()

    with ExitStack() as stack:
        numbers = [str(number) for number in range(10)]
        for number in numbers:
            stack.enter_context(reader(f"flood-{number}"))

        assert held_up(far, numbers)

        grown = held.mib() - before
        assert grown < len(numbers) * OF_EACH_MIB, grown

    assert will(lambda: not far.open)


def test_an_agent_that_takes_nothing_holds_its_client_up_and_not_memory(
    own: Plane, told: Told, far: FarAgent, issuer: Issuer
) -> None:
    agent, held = told(far.url), Held(own)
    token = issuer.token()
    _warm_up(own, agent, far, token)
    before = held.mib()
    with ExitStack() as stack:
        peers = [stack.enter_context(own.connected()) for _ in range(10)]
        for number, peer in enumerate(peers):
            peer.sendall(head_of(own, agent, token, f"deaf-{number}", length=90 * MIB))
            peer.settimeout(1)

        sent = [_sent_before_it_stuck(peer, 90 * MIB) for peer in peers]

        assert all(size < KEPT_BY_KERNELS for size in sent), sent
        grown = held.mib() - before
        assert grown < len(peers) * OF_EACH_MIB, grown


def _sent_before_it_stuck(peer: socket.socket, size: int) -> int:
    """Return how much of `size` bytes was taken before nothing was for a second."""
    chunk, sent = b"x" * (64 * 1024), 0
    try:
        while sent < size:
            sent += peer.send(chunk)
    except TimeoutError:
        return sent
    return sent


def _warm_up(own: Plane, agent: Agent, far: FarAgent, token: str) -> None:
    """Call once, so that what is made once is not taken for what is left behind."""
    with own.connected() as peer:
        peer.sendall(head_of(own, agent, token, "chunk-999") + b"{}")
        assert will(lambda: "999" in far.arrived)
    assert will(lambda: "999" in far.closed)
