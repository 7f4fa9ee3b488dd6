from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from agents import services
from agents.configuration import Configuration
from agents.models import Agent, AgentVersion
from agents.probe import Finding, agent_probe
from tests.agents.conftest import ADMIN, configured, make_agent, recorded
from tests.agents.small_agent import Call, SmallAgent, small_agent
from tests.fixtures.issuer import DISCOVERY, JWKS, Issuer

pytestmark = pytest.mark.django_db


def healthy(call: Call) -> None:
    call.answer({"status": "Healthy", "time_of_last_update": 1})


@pytest.fixture
def upstream() -> Iterator[SmallAgent]:
    with small_agent() as running:
        running.behaviour = healthy
        yield running


@pytest.fixture
def agent(upstream: SmallAgent, issuer: Issuer, db: None, settings: Any) -> Agent:
    settings.OIDC_RP_CLIENT_ID = "portal"
    return make_agent("a", issuer, url=upstream.url + "/", everyone=True)


def problems(agent: Agent) -> list[Finding]:
    found = [finding for finding in agent_probe(agent) if not finding.ok]
    assert all(finding.fix for finding in found)
    return found


def test_an_agent_that_is_well_has_no_problem(
    agent: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    before = recorded()

    said = [str(finding) for finding in agent_probe(agent)]

    assert problems(agent) == []
    assert said == [
        "The agent answers and is healthy.",
        f"The issuer is {issuer.url}.",
        "It publishes 1 key to check tokens with.",
    ]
    assert upstream.calls[0].line == "GET /ping HTTP/1.1"
    assert recorded() == before


def test_it_asks_now_and_uses_no_cache(agent: Agent, issuer: Issuer) -> None:
    agent_probe(agent)
    agent_probe(agent)

    assert issuer.times_asked(DISCOVERY) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"body": {}, "status": "404 Not Found"}, "answers with status 404"),
        ({"body": {"status": "Ill"}}, "does not say that it is healthy"),
        ({"body": b"OK"}, "does not say that it is healthy"),
        ({"body": []}, "does not say that it is healthy"),
    ],
)
def test_an_agent_that_is_not_well(
    agent: Agent, upstream: SmallAgent, answer: dict[str, Any], said: str
) -> None:
    upstream.behaviour = lambda call: call.answer(
        answer["body"], status=answer.get("status", "200 OK")
    )

    (problem,) = problems(agent)
    assert said in problem.what


def test_an_agent_that_talks_something_else(agent: Agent, upstream: SmallAgent) -> None:
    def garbage(call: Call) -> None:
        call.socket.sendall(b"SSH-2.0\r\n")
        call.socket.shutdown(socket.SHUT_RDWR)

    upstream.behaviour = garbage

    assert "gives no HTTP answer" in problems(agent)[0].what


def test_an_agent_that_is_down(issuer: Issuer, settings: Any) -> None:
    settings.OIDC_RP_CLIENT_ID = "portal"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    agent = make_agent("a", issuer, url=f"http://127.0.0.1:{port}", everyone=True)

    (problem,) = problems(agent)
    assert problem.what == f"Nothing answers at http://127.0.0.1:{port}/ping."


def test_an_address_that_may_not_be_reached_says_what_to_list(
    issuer: Issuer, settings: Any
) -> None:
    settings.OIDC_RP_CLIENT_ID = "portal"
    agent = make_agent("a", issuer, everyone=True)
    columns = configured(issuer, url="https://localhost:1").columns()
    AgentVersion.objects.create(agent=agent, number=2, **columns)

    (problem,) = problems(agent)
    assert "DAIKO_ALLOWED_PRIVATE_HOSTS" in problem.fix
    assert "localhost" in problem.fix


def test_an_issuer_that_is_away(agent: Agent, issuer: Issuer) -> None:
    issuer.answer(DISCOVERY, status=503)

    (problem,) = problems(agent)
    assert problem.what == f"{issuer.discovery_url} answers with status 503."


def test_an_issuer_at_which_nothing_answers(agent: Agent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
    columns = {**configured().columns(), "url": agent.versions.get().url, "discovery_url": url}
    AgentVersion.objects.create(agent=agent, number=2, **columns)

    (problem,) = problems(agent)
    assert problem.what == f"Nothing answers at {url}."
    assert "identity provider" in problem.fix


@pytest.mark.parametrize(
    ("document", "answer", "said"),
    [
        (DISCOVERY, [], "something else than a JSON object"),
        (DISCOVERY, {"issuer": "https://idp.example"}, "does not name an issuer and its keys"),
        (
            DISCOVERY,
            {"issuer": "https://idp.example", "jwks_uri": "https://idp.example/keys"},
            "that of another issuer, https://idp.example.",
        ),
        (JWKS, [], "something else than a JSON object"),
        (JWKS, {"keys": "none"}, "is not a set of keys"),
    ],
)
def test_an_issuer_whose_documents_are_wrong_is_told_of_in_words(
    agent: Agent, issuer: Issuer, document: str, answer: Any, said: str
) -> None:
    issuer.answer(document, answer)

    (problem,) = problems(agent)
    assert said in problem.what
    assert "Error" not in str(problem)


def test_an_issuer_without_a_usable_key(agent: Agent, issuer: Issuer) -> None:
    shared = "A" * 43  # what is shared signs nothing here
    issuer.answer(JWKS, {"keys": [{"kty": "oct", "k": shared}]})

    (problem,) = problems(agent)
    assert "no key to check tokens with" in problem.what


def test_what_is_switched_off_and_open_to_nobody(agent: Agent, upstream: SmallAgent) -> None:
    services.agent_open_to(agent=agent, everyone=False, groups=[], people=[], actor=ADMIN)
    services.agent_switch(agent=agent, enabled=False, actor=ADMIN)
    services.workload_identity_switch(identity=agent.workload_identity, enabled=False, actor=ADMIN)

    assert [problem.what for problem in problems(agent)] == [
        "Nobody may use this agent yet.",
        "The agent is switched off.",
        "The agent's workload identity is switched off.",
    ]


def test_an_agent_that_is_called_with_keys_has_no_issuer_to_ask(
    upstream: SmallAgent, issuer: Issuer, db: None
) -> None:
    agent = make_agent(
        "a", url=upstream.url, auth_mode="SIGV4", discovery_url="", allowed_clients=()
    )

    well, chat = agent_probe(agent)
    assert (well.ok, well.what) == (True, "The agent answers and is healthy.")
    assert "People cannot chat with it: it takes only calls that are signed" in chat.what
    assert not chat.ok


def test_an_agent_that_this_sites_client_cannot_call(agent: Agent, settings: Any) -> None:
    settings.OIDC_RP_CLIENT_ID = "daiko"

    (problem,) = problems(agent)
    assert problem.what == (
        "People cannot chat with it: this site's client “daiko” is not among the allowed clients."
    )

    asked = configured(allowed_clients=(), allowed_audience=("agents",))
    AgentVersion.objects.create(
        agent=agent,
        number=2,
        **{
            **asked.columns(),
            "url": agent.versions.get().url,
            "discovery_url": agent.versions.get().discovery_url,
        },
    )
    assert problems(agent) == []


def test_an_agent_without_a_version(agent: Agent) -> None:
    agent.versions.all().delete()

    assert [finding.what for finding in problems(agent)] == ["The agent has no version."]


def of_protocol(agent: Agent, protocol: str) -> Agent:
    newest = agent.versions.order_by("-number")[0]
    asked = replace(Configuration.of(newest), protocol=protocol)
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN)
    return agent


def lines(upstream: SmallAgent) -> list[str]:
    return [call.line.removesuffix(" HTTP/1.1") for call in upstream.calls]


INITIALIZED = {"jsonrpc": "2.0", "id": 1, "result": {"serverInfo": {"name": "notes"}}}


def test_an_mcp_server_is_asked_to_initialize_and_its_session_ended(
    agent: Agent, upstream: SmallAgent
) -> None:
    def server(call: Call) -> None:
        sent = json.loads(call.body) if call.body else {}
        known = sent.get("method") == "initialize" and call.header("accept") == (
            "application/json, text/event-stream"
        )
        call.answer(INITIALIZED if known else {}, **{"mcp-session-id": "s1"})

    upstream.behaviour = server

    found = agent_probe(of_protocol(agent, "MCP"))

    assert str(found[0]) == "The MCP server answers: notes."
    assert lines(upstream) == ["POST /mcp", "DELETE /mcp"]
    assert upstream.calls[1].header("mcp-session-id") == "s1"


def test_an_mcp_server_may_answer_with_an_event_and_without_a_session(
    agent: Agent, upstream: SmallAgent
) -> None:
    def server(call: Call) -> None:
        call.begin()
        call.chunk(b"event: message\r\ndata: \r\n\r\n")
        call.chunk(b"data: " + json.dumps(INITIALIZED).encode() + b"\r\n\r\n")
        call.end()

    upstream.behaviour = server

    assert problems(of_protocol(agent, "MCP")) == []
    assert lines(upstream) == ["POST /mcp"]


@pytest.mark.parametrize("body", [{}, [], b"hello", {"result": {"serverInfo": {}}}])
def test_what_is_no_mcp_server_is_told(agent: Agent, upstream: SmallAgent, body: Any) -> None:
    upstream.behaviour = lambda call: call.answer(body)
    (problem,) = problems(of_protocol(agent, "MCP"))
    assert "not as an MCP server" in problem.what

    upstream.behaviour = lambda call: call.answer({}, status="405 Method Not Allowed")
    (problem,) = problems(agent)
    assert "/mcp answers with status 405" in problem.what


@pytest.mark.parametrize("has_ping", [True, False])
def test_an_a2a_agent_shows_its_card_and_needs_no_ping(
    agent: Agent, upstream: SmallAgent, has_ping: bool
) -> None:
    def server(call: Call) -> None:
        if "agent-card" in call.line:
            call.answer({"name": "Planner", "skills": []})
        elif has_ping:
            healthy(call)
        else:
            call.answer({}, status="404 Not Found")

    upstream.behaviour = server

    found = agent_probe(of_protocol(agent, "A2A"))

    assert str(found[0]) == "The agent shows its card: Planner."
    assert problems(agent) == []
    assert ("The agent answers and is healthy." in map(str, found)) is has_ping
    assert "GET /.well-known/agent-card.json" in lines(upstream)


def test_an_a2a_agent_without_a_card_is_told(agent: Agent, upstream: SmallAgent) -> None:
    upstream.behaviour = lambda call: call.answer({}, status="404 Not Found")
    (problem,) = problems(of_protocol(agent, "A2A"))
    assert "agent-card.json answers with status 404" in problem.what

    upstream.behaviour = lambda call: call.answer({"title": "x"})
    assert "no agent card" in problems(agent)[0].what


def test_an_ag_ui_agent_is_pinged_where_its_version_says_that_it_runs(
    upstream: SmallAgent, issuer: Issuer, settings: Any
) -> None:
    settings.OIDC_RP_CLIENT_ID = "portal"
    host, _, port = upstream.url.rpartition(":")
    agent = make_agent("a", issuer, url=host, port=int(port), protocol="AGUI", everyone=True)

    assert problems(agent) == []
    assert lines(upstream) == ["GET /ping"]
