"""`agentcore invoke` of the starter toolkit, with a bearer token and with a signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.keys import access_keys
from agents.models import Agent
from tests.agents.conftest import ADMIN, make_agent
from tests.agents.gateway.conftest import events
from tests.agents.plane import Plane
from tests.agents.small_agent import Call, SmallAgent
from tests.demo_agents.processes import AgentProcess, running
from tests.fixtures.issuer import Issuer
from tests.sdk import toolkit_cli

CUSTOM = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-"
IDENTITY = tuple(f"{CUSTOM}User-{fact}" for fact in ("Id", "Name", "Groups"))
TENANT = f"{CUSTOM}Tenant"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    toolkit_cli.install()


@pytest.fixture(scope="module")
def greeter() -> Iterator[AgentProcess]:
    with running("greeter") as started:
        yield started


@pytest.fixture
def key(plane: Plane) -> dict[str, str]:
    row, secret = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)
    pair = {"AWS_ACCESS_KEY_ID": row.access_key_id}
    return pair | {"AWS_SECRET_ACCESS_KEY": secret.reveal()}


Tool = Callable[..., str]


@pytest.fixture
def tool(plane: Plane, key: dict[str, str], tmp_path: Path) -> Tool:
    """Run `agentcore invoke` in the project of an agent, with a token or with the access key."""

    def invokes(agent: Agent, payload: str, *more: str, token: str = "") -> str:
        toolkit_cli.project(tmp_path, agent.arn, with_authorizer=bool(token))
        shown = ["--bearer-token", token] if token else []
        return toolkit_cli.invoke(tmp_path, payload, *shown, *more, url=plane.url, env=key)

    return invokes


def by_signature(name: str, url: str, *headers: str) -> Agent:
    return make_agent(
        name,
        url=url,
        auth_mode="SIGV4",
        discovery_url="",
        allowed_clients=(),
        header_allowlist=headers,
    )


def test_it_reads_a_demo_agents_stream_with_a_bearer_token(
    tool: Tool, agent: Agent, issuer: Issuer, greeter: AgentProcess
) -> None:
    hello = make_agent(
        f"{agent.name}_bearer", issuer, url=greeter.url, everyone=True, header_allowlist=IDENTITY
    )

    printed = tool(hello, '{"prompt": "Who am I?"}', token=issuer.token(sub="alice"))

    assert "alice" in printed
    assert "end_turn" in printed
    assert events(hello)[0] == ("agent.invocation", "allowed", "")


def test_it_reads_a_demo_agents_stream_with_a_signature_for_a_user(
    tool: Tool, agent: Agent, greeter: AgentProcess
) -> None:
    hello = by_signature(f"{agent.name}_signed", greeter.url, *IDENTITY)

    printed = tool(hello, '{"prompt": "Who am I?"}', "--user-id", "customer-7")

    assert "customer-7" in printed
    assert "end_turn" in printed
    assert events(hello)[0] == ("agent.invocation", "allowed", "")


def streaming(call: Call) -> None:
    call.begin()
    call.chunk(b'data: "first"\n\n')
    call.chunk(b'data: "last"\n\n')
    call.end()


def test_its_own_headers_arrive_where_they_are_allowed(
    tool: Tool, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    upstream.behaviour = streaming
    allowed = {"header_allowlist": (TENANT,), "everyone": True}
    bearer = make_agent(f"{agent.name}_bearer", issuer, url=upstream.url, **allowed)
    signed = by_signature(f"{agent.name}_signed", upstream.url, TENANT)

    for called, token in ((bearer, issuer.token()), (signed, "")):
        printed = tool(called, "{}", "--headers", "Tenant:acme", token=token)
        assert "first" in printed and "last" in printed
        assert upstream.next_call().header(TENANT) == "acme"


def test_a_header_that_is_not_allowed_is_refused_by_its_name(
    tool: Tool, agent: Agent, upstream: SmallAgent
) -> None:
    signed = by_signature(f"{agent.name}_signed", upstream.url)

    with pytest.raises(AssertionError, match=TENANT.lower()):
        tool(signed, "{}", "--headers", "Tenant:acme")

    assert upstream.calls == []
