"""Sessions on the way to an agent: bound to who opened them, and over everywhere at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPException
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from agents import services
from agents.models import Agent, RuntimeSession
from agents.sessions import owners, stopping
from core.models import AuditEvent
from core.subject import Subject
from tests.agents.conftest import ADMIN, configured
from tests.agents.gateway.conftest import Invoke, events
from tests.agents.gateway.test_signed import (  # noqa: F401 - fixtures
    Call,
    Key,
    batch,
    call,
    operator,
    own_key,
)
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, Reply, invocation_path, running_plane
from tests.agents.small_agent import Call as AgentsCall
from tests.agents.small_agent import SmallAgent
from tests.fixtures.issuer import Issuer

SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"
CHOSEN = "chosen-by-a-client-" + "x" * 20


@pytest.fixture
def second_plane(plane: Plane, tmp_path: Any) -> Iterator[Plane]:
    """Another process that serves the same agents."""
    with running_plane(tmp_path / "log") as running:
        yield running


def the_session(agent: Agent) -> RuntimeSession:
    return RuntimeSession.objects.get(agent_id=agent.agent_id)


def test_a_session_is_its_callers_and_the_call_is_on_record_with_it(
    invoke: Invoke, agent: Agent, issuer: Issuer
) -> None:
    reply = invoke()

    session = the_session(agent)
    assert session.session_id == reply.headers[SESSION]
    assert session.owner == Subject(issuer.url, "alice")
    assert (session.endpoint, session.is_allocated) == ("DEFAULT", True)
    assert (session.idle_s, session.lifetime_s) == (900, 28_800)
    details = AuditEvent.objects.filter(agent=agent.agent_id, client="portal")
    assert {event.detail["session"] for event in details} == {session.session_id}


def test_its_limits_are_those_of_the_version(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    asked = configured(issuer, url=upstream.url, session_idle_s=60, session_lifetime_s=70)
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN)

    invoke()

    session = the_session(agent)
    assert session.expires_at - session.started_at == timedelta(seconds=60)
    assert session.lifetime_s == 70


@pytest.mark.parametrize("how", ["chosen", "allocated", "over"])
def test_another_persons_session_is_refused_on_record_and_the_agent_sees_nothing(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent, how: str
) -> None:
    first = invoke(headers={} if how == "allocated" else {SESSION: CHOSEN})
    upstream.next_call()
    if how == "over":
        RuntimeSession.objects.update(expires_at=timezone.now() - timedelta(days=400))
    before = RuntimeSession.objects.filter(agent_id=agent.agent_id).values().get()

    stolen = invoke(token=issuer.token(sub="bob"), headers={SESSION: first.headers[SESSION]})

    assert (stolen.status, stolen.error) == (403, "AccessDeniedException")
    assert b"alice" not in stolen.body
    assert len(upstream.calls) == 1
    assert RuntimeSession.objects.filter(agent_id=agent.agent_id).values().get() == before
    assert waiting_for_refusal(agent) == "session_foreign"


def waiting_for_refusal(agent: Agent) -> str:
    return next(reason for _, outcome, reason in events(agent) if outcome == "refused")


def test_the_next_call_of_the_same_person_goes_on_in_it(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    given = invoke().headers[SESSION]

    again = invoke(headers={SESSION: given})

    assert again.headers[SESSION] == given
    assert upstream.calls[-1].header(SESSION) == given
    assert RuntimeSession.objects.filter(agent_id=agent.agent_id).count() == 1


def test_two_processes_let_only_one_of_two_people_begin_a_session(
    plane: Plane, second_plane: Plane, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    tokens = {name: issuer.token(sub=name) for name in ("alice", "bob")}

    def race(number: int) -> tuple[str, list[str]]:
        session_id = f"wanted-by-two-people-at-once-{number:06}"
        together = threading.Barrier(2)

        def one(name: str, there: Plane) -> Reply:
            headers = {"authorization": f"Bearer {tokens[name]}", SESSION: session_id}
            together.wait(10)
            return there.ask(invocation_path(agent), headers=headers)

        with ThreadPoolExecutor(2) as two:
            asking = {
                name: two.submit(one, name, there)
                for name, there in (("alice", plane), ("bob", second_plane))
            }
            statuses = {name: asked.result().status for name, asked in asking.items()}
        assert sorted(statuses.values()) == [200, 403]
        return session_id, [name for name, status in statuses.items() if status == 200]

    for number in range(25):
        session_id, winners = race(number)
        assert RuntimeSession.objects.get(session_id=session_id).owner_sub == winners[0]
        theirs = [one for one in upstream.calls if one.header(SESSION) == session_id]
        assert len(theirs) == 1


Streaming = Callable[[Plane], Any]


@pytest.fixture
def streaming(
    agent: Agent, upstream: SmallAgent, issuer: Issuer
) -> Iterator[tuple[Streaming, threading.Event]]:
    """Begin an answer that does not end by itself; the event says that its way was closed."""
    hung_up = threading.Event()
    opened = []

    def behaviour(called: AgentsCall) -> None:
        called.begin()
        called.chunk(b"data: first\n\n")
        if called.left_within(30):
            hung_up.set()

    def begin(there: Plane) -> Any:
        headers = {"authorization": f"Bearer {issuer.token()}", SESSION: CHOSEN}
        connection, answer = there.send(invocation_path(agent), headers=headers, timeout_s=30)
        opened.append((connection, answer))
        assert answer.read1(100) == b"data: first\n\n"
        return answer

    upstream.behaviour = behaviour
    yield begin, hung_up
    for connection, answer in opened:
        answer.close()
        connection.close()


def test_a_session_that_is_stopped_cuts_its_streams_in_another_process(
    second_plane: Plane, agent: Agent, streaming: tuple[Streaming, threading.Event]
) -> None:
    begin, hung_up = streaming
    answer = begin(second_plane)

    assert stopping.session_stop(session=the_session(agent), actor=ADMIN)

    with pytest.raises(HTTPException):  # more was to come
        answer.read()
    assert hung_up.wait(10)
    assert waiting_for_end(agent)[-1] == ("agent.invocation.ended", "failed", "session_stopped")


def test_a_call_that_waits_for_its_agent_is_answered_when_its_session_is_stopped(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    hung_up = threading.Event()

    def behaviour(called: AgentsCall) -> None:
        if called.left_within(30):
            hung_up.set()

    upstream.behaviour = behaviour
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(invoke, timeout_s=30)
        upstream.next_call()
        stopping.session_stop(session=the_session(agent), actor=ADMIN)
        reply = asking.result()

    assert (reply.status, reply.error) == (409, "ConflictException")
    assert hung_up.wait(10)
    assert waiting_for_end(agent)[-1] == ("agent.invocation.ended", "failed", "session_stopped")


def test_a_stream_ends_with_its_sessions_lifetime(
    plane: Plane, agent: Agent, streaming: tuple[Streaming, threading.Event]
) -> None:
    begin, hung_up = streaming
    begin(plane)

    # As if it had been begun long ago, and used ever since.
    RuntimeSession.objects.filter(agent_id=agent.agent_id).update(
        lifetime_s=0, expires_at=F("started_at")
    )

    assert hung_up.wait(10)
    assert waiting_for_end(agent)[-1] == ("agent.invocation.ended", "failed", "session_expired")


def test_a_stream_keeps_its_session_in_use(
    plane: Plane, agent: Agent, streaming: tuple[Streaming, threading.Event]
) -> None:
    begin, hung_up = streaming
    begin(plane)
    begun = the_session(agent)
    # Its idle time is over at once, but for the stream.
    RuntimeSession.objects.filter(pk=begun.pk).update(idle_s=2, expires_at=F("started_at"))

    until = time.monotonic() + 10
    while time.monotonic() < until and not the_session(agent).is_live(at=timezone.now()):
        assert not hung_up.is_set()
    session = the_session(agent)
    assert session.is_live(at=timezone.now())
    assert session.started_at == begun.started_at
    assert session.last_used_at > begun.last_used_at
    assert not hung_up.is_set()


def test_a_stream_of_the_session_before_is_cut_where_another_began_under_its_id(
    plane: Plane,
    agent: Agent,
    upstream: SmallAgent,
    invoke: Invoke,
    streaming: tuple[Streaming, threading.Event],
) -> None:
    begin, hung_up = streaming
    begin(plane)
    stopping.session_stop(session=the_session(agent), actor=ADMIN)
    upstream.behaviour = lambda called: called.answer({"said": "a new session"})

    assert invoke(headers={SESSION: CHOSEN}).json() == {"said": "a new session"}

    assert hung_up.wait(10)
    assert the_session(agent).ended_at is None


def test_a_workload_identity_and_the_operators_have_sessions_of_their_own(
    call: Call,  # noqa: F811
    batch: Agent,  # noqa: F811
    operator: Key,  # noqa: F811
    own_key: Key,  # noqa: F811
    upstream: SmallAgent,
) -> None:
    workload, theirs = ("own-" + "x" * 40, "operators-" + "x" * 40)
    assert call(own_key, headers={SESSION: workload}).status == 200
    assert call(operator, headers={SESSION: theirs}).status == 200
    named = {SESSION: theirs, "X-Amzn-Bedrock-AgentCore-Runtime-User-Id": "user-7"}

    assert call(own_key, headers={SESSION: theirs}).status == 403
    assert call(operator, headers={SESSION: workload}).status == 403
    assert call(operator, headers=named).status == 403

    owned = {one.session_id: one.owner for one in RuntimeSession.objects.filter(agent=batch)}
    name = batch.workload_identity.name
    assert owned == {workload: Subject.of_workload(name), theirs: owners.OPERATORS}
    assert len(upstream.calls) == 2
