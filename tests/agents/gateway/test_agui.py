"""AG-UI through the gateway: the protocol's own client, and what goes wrong before and after."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents import services
from agents.models import Agent
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.gateway.conftest import Invoke
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, invocation_path
from tests.agents.small_agent import Call, SmallAgent
from tests.demo_agents.processes import AgentProcess, environment_of, free_port, running
from tests.fixtures.issuer import Issuer
from tests.sdk.scripts import JAVASCRIPT, NODE, install, run

SPEAKER = Path(__file__).parents[1] / "speaking" / "agui_agent.py"
ERROR = {"type": "RUN_ERROR", "message": "The agent's answer broke off.", "code": "agent_failed"}
Ask = Callable[..., list[str]]


@pytest.fixture(scope="module")
def speaker() -> Iterator[AgentProcess]:
    with running(str(SPEAKER)) as started:
        yield started


@pytest.fixture
def ask(plane: Plane, agent: Agent, issuer: Issuer, speaker: AgentProcess) -> Ask:
    """Ask the running agent with the protocol's own client; returns what that tells."""
    install()
    echo = make_agent(f"{agent.name}_agui", issuer, url=speaker.url, protocol="AGUI", everyone=True)

    def asks(question: str, **token: Any) -> list[str]:
        told = {
            "AGENT_URL": plane.url + invocation_path(echo),
            "TOKEN": issuer.token(**token),
            "QUESTION": question,
        }
        script = JAVASCRIPT / "agui.mjs"
        return run([NODE, script], cwd=JAVASCRIPT, env=environment_of(free_port(), told))

    return asks


def test_the_protocols_own_client_hears_the_answer_as_it_is_made(ask: Ask) -> None:
    assert ask("Hello", sub="alice") == [
        "RUN_STARTED",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT I",
        "TEXT_MESSAGE_CONTENT act",
        "TEXT_MESSAGE_CONTENT for",
        "TEXT_MESSAGE_CONTENT alice",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
        "ANSWER I act for alice",
    ]


def test_it_hears_that_a_run_broke_off(ask: Ask) -> None:
    heard = ask("break off", sub="alice")

    assert heard[6] == "RUN_ERROR The agent's answer broke off."
    assert "RUN_FINISHED" not in heard


def test_it_hears_of_a_refusal_before_the_stream(ask: Ask) -> None:
    first, *_ = ask("Hello", aud="another", client_id="another")

    assert first.startswith("FAILED HTTP 401")


@pytest.fixture
def small(agent: Agent, issuer: Issuer, upstream: SmallAgent) -> Agent:
    """The agent, from now on one of AG-UI."""
    asked = configured(issuer, url=upstream.url, protocol="AGUI")
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN)
    return agent


@pytest.mark.parametrize("half", [b"", b'data: {"type": "TEXT_MES', b"data: {}\r\n\r\nid: 1"])
@pytest.mark.usefixtures("small")
def test_a_stream_that_breaks_off_ends_with_an_event_and_no_half_one(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, half: bytes
) -> None:
    def behaviour(call: Call) -> None:
        call.begin("text/event-stream; charset=utf-8")
        call.chunk(b'data: {"type": "RUN_STARTED"}\n\n')
        if half:
            call.chunk(half)
        call.socket.close()
        call.whole = False

    upstream.behaviour = behaviour

    reply = invoke()

    events = [event for event in reply.body.decode().replace("\r", "").split("\n\n") if event]
    assert events[0] == 'data: {"type": "RUN_STARTED"}'
    assert json.loads(events[-1].removeprefix("data: ")) == ERROR
    assert all(json.loads(event.removeprefix("data: ")) is not None for event in events)
    assert waiting_for_end(agent)[-1] == ("agent.invocation.ended", "failed", "agent_failed")


@pytest.mark.usefixtures("small")
def test_events_pass_as_they_are_however_they_are_cut(invoke: Invoke, upstream: SmallAgent) -> None:
    sent = b"data: 1\n\ndata: 2\r\n\r\n: beat\n\n" + b"data: " + b"x" * 100_000 + b"\n\ndata: last"

    def behaviour(call: Call) -> None:
        call.begin()
        for start in range(0, len(sent), 999):
            call.chunk(sent[start : start + 999])
        call.end()

    upstream.behaviour = behaviour

    assert invoke().body == sent


@pytest.mark.usefixtures("small")
def test_what_goes_wrong_before_the_stream_is_an_http_error(
    invoke: Invoke, upstream: SmallAgent
) -> None:
    upstream.behaviour = lambda call: call.answer({}, status="500 Oops")

    reply = invoke()

    assert (reply.status, reply.error) == (424, "RuntimeClientError")


@pytest.mark.usefixtures("small")
def test_an_answer_that_is_no_stream_breaks_off_without_an_event(
    invoke: Invoke, upstream: SmallAgent
) -> None:
    def behaviour(call: Call) -> None:
        call.begin("application/json")
        call.chunk(b'{"half": ')
        call.socket.close()
        call.whole = False

    upstream.behaviour = behaviour

    with pytest.raises((ConnectionError, OSError, ValueError, Exception)):
        invoke()
