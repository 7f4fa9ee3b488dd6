"""Where a token for an agent comes from (RFC 9728): told to anybody, as much as the 401 tells."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest

from agents import services
from agents.models import Agent
from core import inert
from core.models import AuditEvent, User
from tests.agents.conftest import ADMIN, make_agent
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
def test_the_resource_is_the_url_by_which_the_caller_has_it(
    invoke: Invoke, ask: Ask, agent: Agent, named: str, query: str
) -> None:
    names = {"arn quoted": quote(agent.arn, safe=""), "arn plain": agent.arn, "id": agent.agent_id}
    target = f"/runtimes/{names[named]}/invocations{query}"

    challenge = invoke(token=None, path=target).headers["www-authenticate"]

    assert challenge == f'Bearer resource_metadata="{SITE_URL}{WELL_KNOWN}{target}"'
    assert ask(WELL_KNOWN + target).json()["resource"] == SITE_URL + target


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
