"""A2A through the gateway: the card, what passes, and how a refusal is said."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from agents import services
from agents.arns import endpoint_arn
from agents.keys import access_keys
from agents.models import Agent, AgentEndpoint
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.gateway.conftest import Invoke, refusal_of
from tests.agents.gateway.test_mcp import error_of
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import SITE_URL, Plane, Reply, another_than, invocation_path
from tests.agents.small_agent import Call, SmallAgent
from tests.fixtures.issuer import Issuer

CARD_PATH = "/.well-known/agent-card.json"
REQUEST = {"jsonrpc": "2.0", "id": "seven", "method": "message/send", "params": {}}
ABOUT = {"name": "Echo", "version": "1", "capabilities": {"streaming": True}, "skills": []}
OWN = "http://127.0.0.1:9000/"
NEW = {
    **ABOUT,
    "capabilities": {"streaming": True, "extendedAgentCard": True},
    "supportedInterfaces": [
        {"url": OWN + "grpc", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
        {"url": OWN, "protocolBinding": "JSONRPC", "protocolVersion": "1.0", "tenant": "t"},
        {"url": OWN + "rest", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0"},
    ],
    "securitySchemes": {"own": {"httpAuthSecurityScheme": {"scheme": "basic"}}},
    "securityRequirements": [{"schemes": {"own": {"list": []}}}],
    "skills": [{"id": "echo", "securityRequirements": [{"schemes": {"own": {"list": []}}}]}],
    "signatures": [{"protected": "x", "signature": "y"}],
}
OLD = {
    **ABOUT,
    "protocolVersion": "0.3.0",
    "url": OWN,
    "preferredTransport": "JSONRPC",
    "additionalInterfaces": [
        {"url": OWN, "transport": "JSONRPC"},
        {"url": OWN + "grpc", "transport": "GRPC"},
    ],
    "supportsAuthenticatedExtendedCard": True,
    "securitySchemes": {"own": {"type": "http", "scheme": "basic"}},
    "security": [{"own": []}],
    "signatures": [{"protected": "x", "signature": "y"}],
}


@pytest.fixture
def speaker(agent: Agent, issuer: Issuer, upstream: SmallAgent) -> Agent:
    """The agent, from now on one of A2A."""
    asked = configured(issuer, url=upstream.url, protocol="A2A", allowed_scopes=("agents",))
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN)
    return agent


@pytest.fixture
def call(invoke: Invoke, speaker: Agent) -> Invoke:
    """Send a request as A2A clients do."""

    def calls(**request: Any) -> Reply:
        body = request.pop("body", json.dumps(REQUEST).encode())
        return invoke(body=body, **request)

    return calls


@pytest.fixture
def card(invoke: Invoke, speaker: Agent, upstream: SmallAgent) -> Invoke:
    """Ask for the card; the agent says `told`."""

    def asks(told: Any = NEW, **request: Any) -> Reply:
        upstream.behaviour = lambda each: each.answer(told)
        path = request.pop("path", invocation_path(speaker) + CARD_PATH)
        return invoke(path=path, method="GET", body=b"", **request)

    return asks


def test_the_card_leads_here_and_asks_for_what_is_asked_for_here(
    card: Invoke, speaker: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    reply = card(NEW)

    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    url = SITE_URL + invocation_path(speaker)
    assert reply.json() == {
        **ABOUT,
        "skills": [{"id": "echo"}],
        "supportedInterfaces": [
            {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0", "tenant": "t"}
        ],
        "securitySchemes": {
            "daiko": {"openIdConnectSecurityScheme": {"openIdConnectUrl": issuer.discovery_url}}
        },
        "securityRequirements": [{"schemes": {"daiko": {"list": ["agents"]}}}],
    }
    assert upstream.next_call().line == f"GET {CARD_PATH} HTTP/1.1"
    assert waiting_for_end(speaker)[-1] == ("agent.invocation.ended", "allowed", "")


def test_a_card_from_before_1_0_is_rewritten_in_its_own_form(
    card: Invoke, speaker: Agent, issuer: Issuer
) -> None:
    url = SITE_URL + invocation_path(speaker)
    assert card(OLD).json() == {
        **ABOUT,
        "protocolVersion": "0.3.0",
        "url": url,
        "preferredTransport": "JSONRPC",
        "securitySchemes": {
            "daiko": {"type": "openIdConnect", "openIdConnectUrl": issuer.discovery_url}
        },
        "security": [{"daiko": ["agents"]}],
    }


def test_the_card_of_another_endpoint_names_it_without_a_query(
    card: Invoke, speaker: Agent
) -> None:
    version = speaker.versions.order_by("-number").first()
    AgentEndpoint.objects.create(agent=speaker, name="beta", version=version)

    reply = card(path=invocation_path(speaker) + CARD_PATH + "?qualifier=beta")

    named = quote(endpoint_arn(speaker.agent_id, "beta"), safe="")
    [interface] = reply.json()["supportedInterfaces"]
    assert interface["url"] == f"{SITE_URL}/runtimes/{named}/invocations"


@pytest.mark.parametrize(
    "told",
    [
        [],
        "card",
        b"not json",
        ABOUT,
        {**ABOUT, "supportedInterfaces": NEW["supportedInterfaces"][:1]},  # type: ignore[index]
        {**ABOUT, "url": OWN, "preferredTransport": "GRPC"},
        {**ABOUT, "supportedInterfaces": "no list"},
        {**NEW, "name": "half of a pair: \ud800"},
        b" " * (1 << 20) + b"{}",
    ],
)
def test_what_is_no_card_of_anything_carried_here_is_the_agents_failure(
    card: Invoke, speaker: Agent, told: Any
) -> None:
    reply = card(told)

    assert (reply.status, reply.error) == (424, "RuntimeClientError")
    assert waiting_for_end(speaker) == [
        ("agent.invocation", "allowed", ""),
        ("agent.invocation.ended", "failed", "card_unreadable"),
    ]


def test_the_card_is_for_whoever_may_call_the_agent(
    card: Invoke, upstream: SmallAgent, speaker: Agent, issuer: Issuer
) -> None:
    nobody, charlie = card(token=None), card(token=issuer.token(sub="charlie"))

    assert (nobody.status, charlie.status) == (401, 404)
    assert nobody.headers["www-authenticate"].startswith('Bearer resource_metadata="')
    assert upstream.calls == []


def test_agents_of_other_protocols_have_no_card(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    reply = invoke(path=invocation_path(agent) + CARD_PATH, method="GET", body=b"")

    assert (reply.status, reply.error) == (404, "UnknownOperationException")
    assert upstream.calls == []


def test_boto3_gets_the_card_and_the_refusal(
    plane: Plane, agent: Agent, upstream: SmallAgent
) -> None:
    signed = make_agent(
        f"{agent.name}_a2a",
        url=upstream.url,
        protocol="A2A",
        auth_mode="SIGV4",
        discovery_url="",
        allowed_clients=(),
    )
    upstream.behaviour = lambda each: each.answer(NEW)
    row, secret = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)
    client = boto3.client(
        "bedrock-agentcore",
        endpoint_url=plane.url,
        region_name="us-east-1",
        aws_access_key_id=row.access_key_id,
        aws_secret_access_key=secret.reveal(),
        config=Config(retries={"total_max_attempts": 1}),
    )

    answer = client.get_agent_card(agentRuntimeArn=signed.arn)

    assert answer["agentCard"]["name"] == "Echo"
    assert "securitySchemes" not in answer["agentCard"]
    assert (answer["statusCode"], len(answer["runtimeSessionId"]) >= 33) == (200, True)
    with pytest.raises(ClientError) as caught:
        client.get_agent_card(agentRuntimeArn=another_than(signed.arn))
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_request_goes_to_the_agents_base_with_the_protocols_headers(
    call: Invoke, speaker: Agent, upstream: SmallAgent, slash: str
) -> None:
    told = {"A2A-Version": "1.0", "A2A-Extensions": "https://example.com/ext"}
    upstream.behaviour = lambda each: each.answer({"id": "seven"}, **{"A2A-Extensions": "used"})

    reply = call(path=invocation_path(speaker) + slash, headers=told)

    assert (reply.status, reply.headers["a2a-extensions"]) == (200, "used")
    got = upstream.next_call()
    assert got.line == "POST / HTTP/1.1"
    assert {name: got.header(name) for name in told} == told


def test_a_stream_passes_while_it_is_made(call: Invoke, upstream: SmallAgent) -> None:
    def behaviour(each: Call) -> None:
        each.begin()
        for number in range(3):
            each.chunk(b"data: %d\n\n" % number)
        each.end()

    upstream.behaviour = behaviour

    reply = call(headers={"accept": "text/event-stream"})

    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("status", ["401 Who", "404 No", "500 Oops"])
def test_an_error_of_the_agent_is_said_with_its_real_status(
    call: Invoke, upstream: SmallAgent, speaker: Agent, status: str
) -> None:
    upstream.behaviour = lambda each: each.answer({"secret": "s3cret"}, status=status)

    reply = call()

    assert error_of(reply)[:3] == (424, -32055, "seven")
    assert "s3cret" not in reply.body.decode()
    assert waiting_for_end(speaker)[-1] == ("agent.invocation.ended", "failed", "agent_failed")


def test_a_refusal_is_said_with_its_real_status(
    call: Invoke, issuer: Issuer, upstream: SmallAgent
) -> None:
    session = "x-amzn-bedrock-agentcore-runtime-session-id"

    assert error_of(call(token=issuer.token(sub="charlie")))[:3] == (404, -32051, "seven")
    assert error_of(call(headers={session: "short"}))[:3] == (400, -32052, "seven")
    assert upstream.calls == []


def test_want_of_credentials_is_said_as_http_has_it(
    call: Invoke, speaker: Agent, upstream: SmallAgent
) -> None:
    reply = call(token=None)

    assert (reply.status, reply.message) == (401, "Missing Authentication Token")
    assert "www-authenticate" in reply.headers
    assert refusal_of(speaker) == "missing_token"
    assert upstream.calls == []
