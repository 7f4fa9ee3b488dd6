"""AG-UI through the gateway: what goes wrong before and after, also as its own client hears it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents import services
from agents.models import Agent
from tests.agents.conftest import ADMIN, configured
from tests.agents.gateway.conftest import Invoke
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, invocation_path
from tests.agents.small_agent import Call, SmallAgent
from tests.demo_agents.processes import environment_of, free_port
from tests.fixtures.issuer import Issuer
from tests.sdk.scripts import JAVASCRIPT, NODE, install, run

ERROR = {"type": "RUN_ERROR", "message": "The agent's answer broke off.", "code": "agent_failed"}
Ask = Callable[..., list[str]]


@pytest.fixture
def small(agent: Agent, issuer: Issuer, upstream: SmallAgent) -> Agent:
    """The agent, from now on one of AG-UI."""
    asked = configured(issuer, url=upstream.url, protocol="AGUI")
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN)
    return agent


@pytest.fixture
def ask(plane: Plane, small: Agent, issuer: Issuer) -> Ask:
    """Ask the agent with the protocol's own client; returns what that tells."""
    install()

    def asks(**token: Any) -> list[str]:
        told = {
            "AGENT_URL": plane.url + invocation_path(small),
            "TOKEN": issuer.token(**token),
            "QUESTION": "Hello",
        }
        script = JAVASCRIPT / "agui.mjs"
        return run([NODE, script], cwd=JAVASCRIPT, env=environment_of(free_port(), told))

    return asks


def test_its_client_hears_that_a_run_broke_off(ask: Ask, upstream: SmallAgent) -> None:
    def behaviour(call: Call) -> None:
        call.begin("text/event-stream")
        call.chunk(b'data: {"type": "RUN_STARTED", "threadId": "t", "runId": "r"}\n\n')
        call.chunk(b'data: {"type": "TEXT_MESSAGE_START", "messageId": "m", ')
        call.socket.close()
        call.whole = False

    upstream.behaviour = behaviour

    assert ask()[:2] == ["RUN_STARTED", "RUN_ERROR The agent's answer broke off."]


def test_its_client_hears_of_a_refusal_before_the_stream(ask: Ask, upstream: SmallAgent) -> None:
    first, *_ = ask(aud="another", client_id="another")

    assert first.startswith("FAILED HTTP 401")
    assert upstream.calls == []


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
