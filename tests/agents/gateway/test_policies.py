"""Resource policies, limited keys and replays, where agents are called."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import services
from agents.keys import access_keys
from agents.keys.replays import MOMENT_S
from agents.models import AccessKey, Agent, SpentSignature
from agents.policies import principals, stored
from core.models import AuditEvent
from core.secret import Secret
from tests.agents.conftest import ADMIN, configured
from tests.agents.gateway.conftest import Invoke, events, refusal_of
from tests.agents.plane import Plane, Reply, invocation_path
from tests.agents.signing import signed_headers
from tests.agents.small_agent import SmallAgent

ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
DENY = {**ALLOW, "Effect": "Deny", "Sid": "Never"}
USER_ID = "X-Amzn-Bedrock-AgentCore-Runtime-User-Id"
Key = tuple[AccessKey, Secret]
Call = Callable[..., Reply]


def put(arn: str, *statements: Any) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    stored.policy_put(resource_arn=arn, text=text, actor=ADMIN)


@pytest.fixture
def signed_agent(agent: Agent, upstream: SmallAgent) -> Agent:
    """The agent, from now on called with access keys."""
    asked = configured(url=upstream.url, auth_mode="SIGV4", discovery_url="", allowed_clients=())
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN, may_drop_authorizer=True)
    return agent


def operator(**about: Any) -> Key:
    return access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN, **about)


@pytest.fixture
def call(plane: Plane, signed_agent: Agent) -> Call:
    """Call the agent signed with a key, or with `headers` that were signed before."""

    def calls(
        key: Key, *, headers: dict[str, str] | None = None, about: dict[str, str] | None = None
    ) -> Reply:
        path = invocation_path(signed_agent)
        row, secret = key
        signed = headers or signed_headers(
            plane.url + path, key_id=row.access_key_id, secret=secret, headers=about
        )
        return plane.ask(path, headers=signed, body=b"{}")

    return calls


@pytest.mark.parametrize("below", ["", "/runtime-endpoint/DEFAULT"])
def test_a_person_is_denied_by_the_policy_of_the_agent_or_its_endpoint(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, below: str
) -> None:
    put(agent.arn + below, ALLOW, {**DENY, "Action": "bedrock-agentcore:InvokeAgentRuntime"})

    reply = invoke()

    assert (reply.status, reply.error) == (403, "AccessDeniedException")
    assert "bedrock-agentcore:InvokeAgentRuntime" in reply.message
    assert refusal_of(agent) == "policy_denied"
    told = AuditEvent.objects.filter(agent=agent.agent_id).latest("pk")
    assert (told.detail["statement"], told.detail["policy_of"]) == ("Never", agent.arn + below)
    assert told.subject_sub == "alice"
    assert upstream.calls == []


@pytest.mark.parametrize(("subject", "status"), [("alice", 200), ("bob", 403)])
def test_what_a_persons_token_says_is_a_condition(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, subject: str, status: int
) -> None:
    claim = "bedrock-agentcore:InboundJwtClaim/sub"
    put(agent.arn, {**ALLOW, "Condition": {"StringEquals": {claim: subject}}})

    assert invoke().status == status
    assert bool(upstream.calls) is (status == 200)


def test_whom_an_agent_is_not_for_learns_nothing_of_its_policy(
    invoke: Invoke, agent: Agent, issuer: Any
) -> None:
    put(agent.arn, DENY)

    assert invoke(token=issuer.token(sub="charlie")).status == 404
    assert refusal_of(agent) == "agent_not_found"


def test_only_the_key_that_the_policy_allows_calls_the_agent(
    call: Call, signed_agent: Agent, upstream: SmallAgent
) -> None:
    allowed, other = operator(), operator()
    arn = principals.access_key_arn(allowed[0].access_key_id)
    put(signed_agent.arn, {**ALLOW, "Principal": {"AWS": arn}})

    assert call(other).status == 403
    assert refusal_of(signed_agent) == "policy_denied"
    assert upstream.calls == []
    assert call(allowed).status == 200


def test_calling_for_a_user_is_allowed_of_its_own(
    call: Call, signed_agent: Agent, upstream: SmallAgent
) -> None:
    put(signed_agent.arn, {**DENY, "Action": "*ForUser"})
    key = operator()

    reply = call(key, about={USER_ID: "customer-7"})

    assert reply.status == 403
    assert "InvokeAgentRuntimeForUser" in reply.message
    assert upstream.calls == []
    assert call(key).status == 200


@pytest.mark.parametrize(
    "limited",
    [
        (["GetWorkloadAccessToken"], False, 403),
        (["InvokeAgentRuntimeForUser"], True, 403),
        (["InvokeAgentRuntime"], False, 200),
        (["InvokeAgentRuntime"], True, 403),
        (["InvokeAgentRuntime", "InvokeAgentRuntimeForUser"], True, 200),
    ],
)
def test_a_limited_key_calls_agents_if_it_may(
    call: Call,
    signed_agent: Agent,
    upstream: SmallAgent,
    limited: tuple[list[str], bool, int],
) -> None:
    operations, for_user, status = limited
    key = operator(operations=operations)

    reply = call(key, about={USER_ID: "customer-7"} if for_user else None)

    assert reply.status == status
    if status == 403:
        assert reply.error == "AccessDeniedException"
        assert refusal_of(signed_agent) == "operation_not_allowed"
        assert upstream.calls == []


def test_a_call_is_not_replayed(
    plane: Plane, call: Call, signed_agent: Agent, upstream: SmallAgent
) -> None:
    row, secret = operator()
    url = plane.url + invocation_path(signed_agent)
    headers = signed_headers(url, key_id=row.access_key_id, secret=secret)
    assert call((row, secret), headers=headers).status == 200
    assert call((row, secret), headers=headers).status == 200  # a client's retry
    SpentSignature.objects.update(first_at=timezone.now() - timedelta(seconds=MOMENT_S))
    upstream.calls.clear()

    reply = call((row, secret), headers=headers)

    assert (reply.status, reply.error) == (403, "AccessDeniedException")
    assert events(signed_agent)[-1] == ("agent.invocation", "refused", "signature_replayed")
    assert upstream.calls == []
