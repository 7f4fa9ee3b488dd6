"""Where a token for an agent comes from (RFC 9728): told to anybody, as much as the 401 tells."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest

from agents import services
from agents.arns import endpoint_arn
from agents.models import Agent, AgentEndpoint
from core import inert
from core.models import AuditEvent, User
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.gateway.conftest import Invoke, events
from tests.agents.plane import SITE_URL, Plane, Reply, invocation_path
from tests.agents.small_agent import SmallAgent
from tests.fixtures.issuer import Issuer

WELL_KNOWN = "/.well-known/oauth-protected-resource"
Ask = Callable[..., Reply]


@pytest.fixture
def ask(plane: Plane) -> Ask:
    return lambda path, method="GET": plane.ask(path, method=method, body=b"")


def test_the_challenge_leads_to_the_issuer_that_gives_tokens(
    invoke: Invoke, ask: Ask, agent: Agent, issuer: Issuer
) -> None:
    challenge = invoke(token=None).headers["www-authenticate"]
    where = challenge.removeprefix(f'Bearer resource_metadata="{SITE_URL}').removesuffix('"')

    reply = ask(where)

    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "public, max-age=60"
    for name, value in inert.HEADERS:
        assert reply.headers[name] == value
    assert reply.json() == {
        "resource": SITE_URL + invocation_path(agent),
        "authorization_servers": [issuer.url],
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.parametrize("named", ["arn quoted", "arn plain", "id"])
@pytest.mark.parametrize("query", ["", "?qualifier=DEFAULT"])
def test_the_resource_is_the_url_by_which_the_caller_has_it_without_a_query(
    invoke: Invoke, ask: Ask, agent: Agent, named: str, query: str
) -> None:
    names = {"arn quoted": quote(agent.arn, safe=""), "arn plain": agent.arn, "id": agent.agent_id}
    path = f"/runtimes/{names[named]}/invocations"

    challenge = invoke(token=None, path=path + query).headers["www-authenticate"]

    assert challenge == f'Bearer resource_metadata="{SITE_URL}{WELL_KNOWN}{path}"'
    assert ask(WELL_KNOWN + path + query).json()["resource"] == SITE_URL + path


@pytest.fixture
def beta(agent: Agent, issuer: Issuer, upstream: SmallAgent) -> AgentEndpoint:
    """An endpoint that stays at a first version, which asks for a scope; the agent goes on."""
    first = configured(issuer, url=upstream.url, allowed_scopes=("beta",))
    services.agent_configure(agent=agent, asked=first, actor=ADMIN)
    version = agent.versions.order_by("-number").first()
    services.agent_configure(agent=agent, asked=configured(issuer, url=upstream.url), actor=ADMIN)
    return AgentEndpoint.objects.create(agent=agent, name="beta", version=version)


def test_another_endpoint_is_described_at_a_url_without_a_query(
    invoke: Invoke, ask: Ask, agent: Agent, beta: AgentEndpoint
) -> None:
    challenge = invoke(token=None, path=invocation_path(agent, "beta")).headers["www-authenticate"]
    where = challenge.removeprefix(f'Bearer resource_metadata="{SITE_URL}').partition('"')[0]

    assert where == f"{invocation_path(agent)}{WELL_KNOWN}/beta"
    assert challenge.endswith(', scope="beta"')
    told = ask(where).json()
    assert told["resource"] == SITE_URL + invocation_path(agent)
    assert told["scopes_supported"] == ["beta"]


def test_an_endpoint_called_by_its_own_arn_needs_no_query_at_all(
    invoke: Invoke, ask: Ask, agent: Agent, beta: AgentEndpoint, issuer: Issuer
) -> None:
    path = f"/runtimes/{quote(endpoint_arn(agent.agent_id, 'beta'), safe='')}/invocations"

    assert invoke(path=path, token=issuer.token(scope="beta")).status == 200
    challenge = invoke(token=None, path=path).headers["www-authenticate"]

    assert challenge == f'Bearer resource_metadata="{SITE_URL}{WELL_KNOWN}{path}", scope="beta"'
    told = ask(WELL_KNOWN + path).json()
    assert (told["resource"], told["scopes_supported"]) == (SITE_URL + path, ["beta"])


def test_a_path_and_a_query_that_name_different_endpoints_are_refused(
    invoke: Invoke, agent: Agent, beta: AgentEndpoint, upstream: SmallAgent
) -> None:
    path = f"/runtimes/{quote(endpoint_arn(agent.agent_id, 'beta'), safe='')}/invocations"

    reply = invoke(path=f"{path}?qualifier=DEFAULT")

    assert (reply.status, reply.error) == (400, "ValidationException")
    assert upstream.calls == []


def test_the_resource_and_the_scopes_may_be_named_otherwise(
    invoke: Invoke, ask: Ask, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    entra = make_agent(
        f"{agent.name}_entra",
        issuer,
        url=upstream.url,
        allowed_scopes=("agents", "more"),
        advertised_scopes={"agents": "api://daiko/agents"},
        resource_identifier="https://agents.example/daiko",
    )

    told = ask(WELL_KNOWN + invocation_path(entra)).json()
    challenge = invoke(token=None, path=invocation_path(entra)).headers["www-authenticate"]

    assert told["resource"] == "https://agents.example/daiko"
    assert told["scopes_supported"] == ["api://daiko/agents", "more"]
    assert challenge.endswith(', scope="api://daiko/agents more"')


def test_it_is_also_where_aws_has_it(ask: Ask, agent: Agent) -> None:
    behind = invocation_path(agent) + WELL_KNOWN + "?qualifier=DEFAULT"

    assert ask(behind).json() == ask(WELL_KNOWN + invocation_path(agent, "DEFAULT")).json()


def test_it_lists_the_scopes_that_the_authorizer_lists(
    ask: Ask, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    scoped = make_agent(
        f"{agent.name}_scoped", issuer, url=upstream.url, allowed_scopes=("b.read", "a.read")
    )

    told = ask(WELL_KNOWN + invocation_path(scoped)).json()

    assert told["scopes_supported"] == ["a.read", "b.read"]


def test_an_agent_that_is_switched_off_is_described_as_before(ask: Ask, agent: Agent) -> None:
    path = WELL_KNOWN + invocation_path(agent)
    before = ask(path)

    services.agent_switch(agent=agent, enabled=False, actor=ADMIN)

    assert ask(path).body == before.body


def test_there_is_none_of_an_agent_that_does_not_exist_or_asks_for_signatures(
    ask: Ask, agent: Agent, upstream: SmallAgent
) -> None:
    signed = make_agent(
        f"{agent.name}_signed",
        url=upstream.url,
        auth_mode="SIGV4",
        discovery_url="",
        allowed_clients=(),
    )
    paths = [
        invocation_path(signed),
        invocation_path(agent).replace(agent.agent_id, "concierge-0000000000"),
        invocation_path(agent, "unknown"),
    ]

    replies = [ask(WELL_KNOWN + path) for path in paths]

    assert {(reply.status, reply.error) for reply in replies} == {
        (404, "ResourceNotFoundException")
    }
    assert len({reply.body for reply in replies}) == 1


@pytest.mark.parametrize(
    "path", [WELL_KNOWN, WELL_KNOWN + "/runtimes/", "/runtimes" + WELL_KNOWN, WELL_KNOWN + "/x"]
)
def test_there_is_none_of_what_is_no_agent(ask: Ask, path: str) -> None:
    assert (ask(path).status, ask(path).error) == (404, "UnknownOperationException")


def test_reading_it_calls_nobody_and_leaves_no_record(
    ask: Ask, agent: Agent, upstream: SmallAgent, people: dict[str, User]
) -> None:
    newest = AuditEvent.objects.count()

    assert ask(WELL_KNOWN + invocation_path(agent)).status == 200

    assert (events(agent), upstream.calls) == ([], [])
    assert AuditEvent.objects.count() == newest


def test_an_issuer_that_is_away_is_said_to_be(ask: Ask, agent: Agent, upstream: SmallAgent) -> None:
    lost = make_agent(
        f"{agent.name}_lost",
        url=upstream.url,
        discovery_url="http://127.0.0.1:9/.well-known/openid-configuration",
    )

    assert ask(WELL_KNOWN + invocation_path(lost)).status == 503
