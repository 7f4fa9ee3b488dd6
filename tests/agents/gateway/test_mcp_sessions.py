"""Sessions of MCP servers: each is its one caller's, whatever else is said beside its id."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from agents import services
from agents.models import Agent, AgentEndpoint, RuntimeSession
from core.models import AuditEvent
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.gateway.conftest import Invoke, events
from tests.agents.gateway.test_mcp import MCP, error_of
from tests.agents.gateway.test_sessions import second_plane  # noqa: F401 - a fixture
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, Reply, invocation_path
from tests.agents.small_agent import Call, SmallAgent, small_agent
from tests.fixtures.issuer import Issuer

GIVEN = "Mcp-Session-Id"
RUNTIME = "x-amzn-bedrock-agentcore-runtime-session-id"
OWN = "a-runtime-session-of-bobs-own-" + "x" * 20
INITIALIZE, LIST = "initialize", "tools/list"


def begins_sessions(given: Callable[[], str]) -> Callable[[Call], None]:
    """Behave as a server that gives each session an id, and names it in all of its answers."""

    def behaviour(call: Call) -> None:
        named = call.header(GIVEN)
        call.answer({"jsonrpc": "2.0", "id": 1, "result": {}}, **{GIVEN: named or given()})

    return behaviour


@pytest.fixture
def server(agent: Agent, issuer: Issuer, upstream: SmallAgent) -> Agent:
    """The agent, from now on an MCP server with sessions."""
    services.agent_configure(
        agent=agent, asked=configured(issuer, url=upstream.url, protocol="MCP"), actor=ADMIN
    )
    upstream.behaviour = begins_sessions(lambda: str(uuid.uuid4()))
    return agent


Ask = Callable[..., Reply]


@pytest.fixture
def ask(invoke: Invoke, server: Agent, issuer: Issuer) -> Ask:
    """Ask the server for something, as somebody, in a session of it or in none."""

    def asks(who: str, method: str, session: str | None = None, **more: Any) -> Reply:
        named = {} if session is None else {GIVEN: session}
        verb = {} if method in {INITIALIZE, LIST} else {"method": method, "body": b""}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode()
        headers = {**MCP, **named, **more.pop("headers", {})}
        token = issuer.token(sub=who)
        return invoke(token=token, headers=headers, **{"body": body, **verb, **more})

    return asks


@pytest.fixture
def alices(ask: Ask) -> str:
    """A session of alice, just begun."""
    return ask("alice", INITIALIZE).headers[GIVEN.lower()]


def test_it_goes_on_for_whom_the_server_gave_it_to(
    ask: Ask, alices: str, upstream: SmallAgent
) -> None:
    answers = [ask("alice", method, alices) for method in (LIST, LIST, "GET", "DELETE")]

    assert [answer.status for answer in answers] == [200] * 4
    assert len({answer.headers[RUNTIME] for answer in answers}) == 1
    assert alices not in answers[0].headers[RUNTIME]
    assert [call.header(GIVEN) for call in upstream.calls] == [None, *[alices] * 4]


@pytest.mark.parametrize(
    ("method", "beside"),
    list(itertools.product([LIST, INITIALIZE, "GET", "DELETE"], [{}, {RUNTIME: OWN}])),
)
def test_nobody_else_gets_into_it_whatever_they_name_beside_its_id(
    ask: Ask, alices: str, server: Agent, method: str, beside: dict[str, str]
) -> None:
    its_name = ask("alice", LIST, alices).headers[RUNTIME]

    bob = ask("bob", method, alices, headers=beside)

    assert error_of(bob)[:2] == (404, -32004)
    assert not RuntimeSession.objects.filter(agent_id=server.agent_id, owner_sub="bob").exists()
    refused = [event for event in events(server) if event[1] == "refused"]
    assert refused == [("agent.invocation", "refused", "session_foreign")]
    [on_record] = AuditEvent.objects.filter(agent=server.agent_id, outcome="refused")
    assert on_record.subject_sub == "bob"
    assert on_record.detail["server_session"] == its_name
    assert on_record.detail["session"] == beside.get(RUNTIME, its_name)
    assert ask("alice", LIST, alices).status == 200


def test_nobody_else_comes_first(ask: Ask, alices: str, upstream: SmallAgent) -> None:
    stolen = [ask("bob", LIST, alices, headers=beside) for beside in ({}, {RUNTIME: OWN})]

    assert [reply.status for reply in stolen] == [404, 404]
    assert len(upstream.calls) == 1
    assert ask("alice", LIST, alices).status == 200


@pytest.mark.parametrize(
    "spelt",
    [
        str.upper,
        lambda given: given.replace("-", ""),
        lambda given: f"{{{given}}}",
        lambda given: f"urn:uuid:{given}",
        lambda given: f'"{given}"',
        lambda given: f"{given},",
        lambda given: f"{given[:-1]}%{ord(given[-1]):x}",
    ],
)
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_another_spelling_of_its_id_is_nobodys(
    ask: Ask, alices: str, upstream: SmallAgent, who: str, spelt: Callable[[str], str]
) -> None:
    assert ask(who, LIST, spelt(alices)).status == 404
    assert ask(who, LIST, spelt(alices), headers={RUNTIME: OWN}).status == 404

    assert len(upstream.calls) == 1


def test_what_no_answer_gave_is_nobodys_nor_is_what_it_would_be_here(
    ask: Ask, alices: str, upstream: SmallAgent
) -> None:
    here = ask("alice", LIST, alices).headers[RUNTIME]
    upstream.calls.clear()

    made_up = ask("bob", LIST, "made-up")
    by_its_name_here = ask("bob", LIST, headers={RUNTIME: here})
    another = ask("bob", LIST, headers={RUNTIME: "mcp-" + "0" * 64})

    assert made_up.status == 404
    assert [by_its_name_here.status, another.status] == [403, 403]
    assert upstream.calls == []


def test_an_id_is_named_in_its_own_header_alone(
    ask: Ask, alices: str, server: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    listed = {"protocol": "MCP", "header_allowlist": ("Mcp_Session_Id", "X_Tenant")}
    asked = configured(issuer, url=upstream.url, **listed)
    services.agent_configure(agent=server, asked=asked, actor=ADMIN)
    AgentEndpoint.objects.create(agent=server, name="beta")

    spoken = {"Mcp_Session_Id": alices, "X_Tenant": "acme"}
    answer = ask("bob", LIST, headers=spoken, path=invocation_path(server, "beta"))

    assert answer.status == 200
    assert upstream.calls[-1].header("X_Tenant") == "acme"
    assert "mcp_session_id" not in upstream.calls[-1].names()


def test_an_id_named_twice_is_refused(
    plane: Plane, server: Agent, issuer: Issuer, alices: str, upstream: SmallAgent
) -> None:
    headers = [*MCP.items(), (GIVEN, alices), (GIVEN, alices)]
    bearer = ("authorization", f"Bearer {issuer.token(sub='alice')}")

    reply = plane.ask(invocation_path(server), headers=[bearer, *headers])

    assert error_of(reply)[1] == -32006
    assert len(upstream.calls) == 1


def test_another_process_knows_whose_it_is(
    ask: Ask,
    alices: str,
    server: Agent,
    issuer: Issuer,
    second_plane: Plane,  # noqa: F811
) -> None:
    def there(who: str) -> int:
        bearer = {"authorization": f"Bearer {issuer.token(sub=who)}"}
        headers = {**bearer, **MCP, GIVEN: alices}
        return second_plane.ask(invocation_path(server), headers=headers).status

    assert [there("bob"), there("alice"), there("bob")] == [404, 200, 404]


def test_it_may_be_used_in_a_runtime_session_of_its_owners_choice(
    ask: Ask, alices: str, upstream: SmallAgent
) -> None:
    answer = ask("alice", LIST, alices, headers={RUNTIME: OWN})

    assert (answer.status, answer.headers[RUNTIME]) == (200, OWN)
    assert upstream.calls[-1].header(GIVEN) == alices


def test_it_stays_its_owners_after_it_was_stopped_and_when_it_is_over(
    ask: Ask, alices: str, server: Agent
) -> None:
    ask("alice", LIST, alices)
    for change in ({"ended_by": "somebody"}, {"ended_by": ""}):
        sessions = RuntimeSession.objects.filter(agent_id=server.agent_id)
        for session in sessions:
            session.ended_by = change["ended_by"]
            session.ended_at = session.last_used_at if change["ended_by"] else None
            session.expires_at = session.started_at
            session.save()

        assert ask("bob", LIST, alices).status == 404
        assert ask("alice", LIST, alices).status == 200


def test_a_server_that_gives_one_id_to_two_people_has_failed(
    ask: Ask, server: Agent, upstream: SmallAgent
) -> None:
    numbers = itertools.chain(["1", "1", "2"])
    upstream.behaviour = begins_sessions(lambda: next(numbers))

    alice, bob, bob_again = (ask(who, INITIALIZE) for who in ("alice", "bob", "bob"))

    assert alice.headers[GIVEN.lower()] == "1"
    assert error_of(bob)[:2] == (200, -32010)
    assert GIVEN.lower() not in bob.headers
    assert bob_again.headers[GIVEN.lower()] == "2"
    assert [ask("bob", LIST, "1").status, ask("alice", LIST, "1").status] == [404, 200]
    reasons = [reason for _, outcome, reason in waiting_for_end(server) if outcome == "failed"]
    assert reasons == ["agent_failed"]


def test_an_id_of_one_server_is_none_of_another_that_the_agent_runs_at(
    ask: Ask, alices: str, server: Agent, issuer: Issuer
) -> None:
    with small_agent() as other:
        asked = configured(issuer, url=other.url, protocol="MCP")
        services.agent_configure(agent=server, asked=asked, actor=ADMIN)
        version = server.versions.order_by("-number").first()
        AgentEndpoint.objects.create(agent=server, name="beta", version=version)

        assert ask("alice", LIST, alices, path=invocation_path(server, "beta")).status == 404
        assert other.calls == []


def test_an_id_of_one_agent_is_none_of_another_at_the_same_server(
    ask: Ask, alices: str, server: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    other = make_agent(f"{server.name}_2", issuer, url=upstream.url, protocol="MCP", everyone=True)

    assert ask("alice", LIST, alices, path=invocation_path(other)).status == 404
    assert len(upstream.calls) == 1


def test_a_server_without_sessions_is_asked_without(ask: Ask, upstream: SmallAgent) -> None:
    upstream.behaviour = lambda call: call.answer({"jsonrpc": "2.0", "id": 1, "result": {}})

    answers = [ask(who, method) for who in ("alice", "bob") for method in (INITIALIZE, LIST)]

    assert [answer.status for answer in answers] == [200] * 4
    assert len({answer.headers[RUNTIME] for answer in answers}) == 4
    assert not any(GIVEN.lower() in answer.headers for answer in answers)
