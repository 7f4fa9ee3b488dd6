"""Agents and the two services that the concierge leans on."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.demo_agents.processes import (
    ROOT,
    AgentProcess,
    command_of,
    environment_of,
    free_port,
    running,
)
from tests.demo_agents.stand_ins import StandIn, standing_in

Starter = Callable[..., AgentProcess]


@pytest.fixture(scope="module")
def start_agent() -> Iterator[Starter]:
    """Start agents by module name; all of them end with the tests of the file."""
    with ExitStack() as stack:

        def start(module: str, **environment: str) -> AgentProcess:
            return stack.enter_context(running(module, **environment))

        yield start


@pytest.fixture
def start_failing() -> Callable[..., str]:
    """Start an agent that is expected to refuse, and return what it says."""

    def start(module: str, **environment: str) -> str:
        ended = subprocess.run(
            command_of(module),
            cwd=ROOT,
            env=environment_of(free_port(), environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 1
        return ended.stdout

    return start


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    return free_port()


@pytest.fixture(scope="module")
def _servers() -> Iterator[tuple[StandIn, StandIn]]:
    with standing_in() as identity, standing_in() as acme:
        yield identity, acme


def _fresh(stand_in: StandIn) -> StandIn:
    stand_in.replies.clear()
    stand_in.requests.clear()
    stand_in.arrived.clear()
    stand_in.answer = None
    return stand_in


@pytest.fixture
def identity(_servers: tuple[StandIn, StandIn]) -> StandIn:
    """The identity service, as far as its answers on the wire go."""
    return _fresh(_servers[0])


@pytest.fixture
def acme(_servers: tuple[StandIn, StandIn]) -> StandIn:
    """The calendar API of the third party."""
    return _fresh(_servers[1])
