"""A thousand clients leave, one after the other; a second later there is nothing of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from agents.models import Agent
from tests.agents.conftest import make_agent
from tests.agents.gateway.faults import (
    Client,
    FarAgent,
    Held,
    begun_of,
    ends_of,
    far_agent,
    will,
)
from tests.agents.plane import Plane, invocation_path, running_plane
from tests.fixtures.issuer import Issuer

# Before the first byte of the answer, after its first chunk, with half of the request sent, with
# half of it sent while the answer comes already, and before anything was decided.
KINDS = ["silent", "chunk", "sending", "early", "at_once"]
A_SECOND = 1.0
POOL = 16


@pytest.fixture
def far() -> Iterator[FarAgent]:
    with far_agent() as running:
        yield running


@pytest.fixture
def own(plane: Plane, tmp_path: Path) -> Iterator[Plane]:
    """A gateway that no other test has called, nor calls."""
    with running_plane(tmp_path / "log") as running:
        yield running


@pytest.fixture
def told(own: Plane, issuer: Issuer, far: FarAgent, people: object) -> Agent:
    """The far agent, for everybody."""
    return make_agent(
        f"far_{far.process.pid}",
        issuer,
        url=far.url,
        everyone=True,
        header_allowlist=("X-Tenant",),
    )


def slowest(far: FarAgent, left: dict[str, float]) -> float:
    """Return how long after its client left the last of the calls was closed at the agent.

    Both read the same clock, the agent when its socket says so. What a machine that is busy with
    other things adds is none of the gateway's: the agent notes how late it comes to run itself, and
    the gateway is held to a second and twice that, once for each of the two processes.
    """
    took = [far.closed[number] - at for number, at in left.items() if number in far.closed]
    return max(took) - 2 * far.longest_stall_s


def test_a_thousand_clients_that_leave_leave_nothing_open(
    own: Plane, told: Agent, far: FarAgent, issuer: Issuer
) -> None:
    client, held = Client(own, told, far, issuer.token()), Held(own)
    asyncio.run(client.leave_all(KINDS, range(10_000, 10_100), at_a_time=16))
    assert will(lambda: not far.open)
    assert will(lambda: not held.tasks()), held.tasks()
    files = len(held.files())
    client.left.clear()

    asyncio.run(client.leave_all(KINDS, range(1000), at_a_time=16))

    assert will(lambda: not far.open), f"still open: {sorted(far.open)[:20]}"
    assert far.closed_twice == []
    assert len(set(client.left) & set(far.closed)) >= 800  # all but those that left at once
    assert slowest(far, client.left) < A_SECOND
    assert will(lambda: not held.tasks()), held.tasks()
    assert will(lambda: held.sockets(own.port, far.port) == 0)
    # The pool to the database may have grown to what it may have.
    assert len(held.files()) <= files + POOL
    assert will(lambda: held.busy_in_database() == 0)
    assert will(lambda: sum(ends_of(told).values()) == begun_of(told)), (
        ends_of(told),
        begun_of(told),
    )
    assert begun_of(told) >= 880
    assert set(ends_of(told)) == {("allowed", "client_left")}
    assert "Traceback" not in own.logged()


def test_a_hundred_web_sockets_that_break_off_leave_nothing_open(
    own: Plane, issuer: Issuer, far: FarAgent, people: object
) -> None:
    agent = make_agent(
        f"talks_{far.process.pid}",
        issuer,
        url=far.socket_url,
        everyone=True,
        header_allowlist=("X-Tenant",),
    )
    client, held = Client(own, agent, far, issuer.token()), Held(own)
    url = own.url.replace("http:", "ws:") + invocation_path(agent).replace("/invocations", "/ws")

    async def leave(number: int, free: asyncio.Semaphore) -> None:
        sent = {"Authorization": f"Bearer {issuer.token()}", "X-Tenant": f"silent-{number}"}
        async with free:
            connection = await connect(url, additional_headers=sent, proxy=None)
            assert await connection.recv() == "first"
            client.left[str(number)] = asyncio.get_running_loop().time()
            connection.transport.abort()
            await connection.wait_closed()

    async def leave_all(numbers: range) -> None:
        free = asyncio.Semaphore(8)
        await asyncio.gather(*[leave(number, free) for number in numbers])

    asyncio.run(leave_all(range(1000, 1010)))
    assert will(lambda: not far.open)
    assert will(lambda: not held.tasks()), held.tasks()
    files = len(held.files())
    client.left.clear()

    asyncio.run(leave_all(range(100)))

    assert will(lambda: len(far.closed) == 110), f"still open: {sorted(far.open)[:20]}"
    assert slowest(far, client.left) < A_SECOND
    assert will(lambda: not held.tasks()), held.tasks()
    assert will(lambda: held.sockets(own.port, far.socket_port) == 0)
    # The pool to the database may have grown to what it may have.
    assert len(held.files()) <= files + POOL
    assert will(lambda: held.busy_in_database() == 0)
    assert will(lambda: sum(ends_of(agent).values()) == begun_of(agent) == 110)
    assert set(ends_of(agent)) == {("allowed", "client_left")}
    assert "Traceback" not in own.logged()
