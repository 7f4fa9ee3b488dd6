"""What is switched off is refused within a second, and nothing passes that cannot be recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import IncompleteRead

import pytest
from django.db import connection

from agents import services
from agents.keys import access_keys
from agents.models import Agent
from agents.people import person_switch
from core.audit import Actor
from core.models import User
from tests.agents.conftest import ADMIN, configured
from tests.agents.gateway.conftest import Invoke, events
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, invocation_path
from tests.agents.signing import signed_headers
from tests.agents.small_agent import Call, SmallAgent
from tests.fixtures.issuer import Issuer

Ask = Callable[[], int]


def comes_to(status: int, ask: Ask) -> bool:
    """Say whether `ask` is soon answered with `status`."""
    pause, until = threading.Event(), time.monotonic() + 5
    while (answered := ask()) != status and time.monotonic() < until:
        pause.wait(0.05)
    return answered == status


@pytest.fixture
def ask(invoke: Invoke) -> Ask:
    """Call the agent as alice, who may; her first call has filled every cache."""
    assert invoke().status == 200
    return lambda: invoke().status


def test_an_agent(ask: Ask, agent: Agent) -> None:
    services.agent_switch(agent=agent, enabled=False, actor=ADMIN)
    assert comes_to(403, ask)

    services.agent_switch(agent=agent, enabled=True, actor=ADMIN)
    assert comes_to(200, ask)


def test_a_workload_identity(ask: Ask, agent: Agent) -> None:
    services.workload_identity_switch(identity=agent.workload_identity, enabled=False, actor=ADMIN)

    assert comes_to(403, ask)


def test_a_person(ask: Ask, people: dict[str, User]) -> None:
    person_switch(person=people["alice"], active=False, actor=ADMIN)

    assert comes_to(403, ask)


def test_who_may_use_it(ask: Ask, agent: Agent) -> None:
    services.agent_open_to(agent=agent, everyone=False, groups=[], people=[], actor=Actor("a"))

    assert comes_to(404, ask)


def test_who_may_call_it(ask: Ask, agent: Agent, issuer: Issuer, upstream: SmallAgent) -> None:
    services.agent_configure(
        agent=agent,
        asked=configured(issuer, url=upstream.url, allowed_clients=("other",)),
        actor=ADMIN,
    )

    assert comes_to(401, ask)


def test_an_agent_that_is_gone(ask: Ask, agent: Agent) -> None:
    services.agent_delete(agent=agent, actor=ADMIN)

    assert comes_to(404, ask)


def test_an_access_key(plane: Plane, agent: Agent, upstream: SmallAgent) -> None:
    asked = configured(url=upstream.url, auth_mode="SIGV4", discovery_url="", allowed_clients=())
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN, may_drop_authorizer=True)
    key, secret = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)

    def ask() -> int:
        path = invocation_path(agent)
        url = plane.url + path
        headers = signed_headers(url, key_id=key.access_key_id, secret=secret)
        return plane.ask(path, headers=headers).status

    assert ask() == 200
    access_keys.access_key_switch(key=key, enabled=False, actor=ADMIN)

    assert comes_to(403, ask)


@contextmanager
def _renamed(table: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        try:
            yield
        finally:
            cursor.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


def test_nothing_passes_while_the_trail_cannot_be_written(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    with _renamed("core_auditevent"):
        allowed = invoke()
        refused = invoke(token=None)

    assert (allowed.status, refused.status) == (503, 503)
    assert "core_auditevent" not in f"{allowed.body!r}{refused.body!r}"
    assert upstream.connections == 0
    assert events(agent) == []
    assert invoke().status == 200


def test_nothing_passes_while_the_registry_cannot_be_asked(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    with _renamed("agents_agent"):
        reply = invoke()

    assert reply.status == 503
    assert "agents_agent" not in reply.body.decode()
    assert upstream.connections == 0
    assert events(agent) == [("agent.invocation", "refused", "registry_unavailable")]


def test_an_answer_goes_on_when_only_its_end_cannot_be_recorded(
    plane: Plane, agent: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def behaviour(call: Call) -> None:
        call.begin()
        call.chunk(b"data: first\n\n")
        began.set()
        assert go_on.wait(10)
        call.end()

    upstream.behaviour = behaviour
    headers = {"authorization": f"Bearer {issuer.token()}"}
    opened, answer = plane.send(invocation_path(agent), headers=headers)
    try:
        assert began.wait(10)
        with _renamed("core_auditevent"):
            go_on.set()
            assert answer.read() == b"data: first\n\n"
            assert plane.will_log("audit.not_recorded")
    finally:
        go_on.set()
        opened.close()

    assert [action for action, *_ in events(agent)] == ["agent.invocation"]


def test_an_answer_under_way_is_cut(
    plane: Plane, agent: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def behaviour(call: Call) -> None:
        call.begin()
        call.chunk(b"data: first\n\n")
        began.set()
        assert go_on.wait(10)

    upstream.behaviour = behaviour
    headers = {"authorization": f"Bearer {issuer.token()}"}
    opened, answer = plane.send(invocation_path(agent), headers=headers)
    try:
        assert began.wait(10)
        services.agent_switch(agent=agent, enabled=False, actor=ADMIN)
        with pytest.raises(IncompleteRead):
            answer.read()
    finally:
        go_on.set()
        opened.close()

    assert waiting_for_end(agent)[-1] == ("agent.invocation.ended", "failed", "agent_disabled")
