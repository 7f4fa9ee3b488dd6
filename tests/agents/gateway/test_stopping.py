"""StopRuntimeSession: whose session it is stops it; nobody else learns that there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from agents.keys import access_keys
from agents.models import Agent, RuntimeSession
from core.models import AuditEvent
from tests.agents.conftest import ADMIN
from tests.agents.gateway.conftest import Invoke, events
from tests.agents.gateway.test_sessions import CHOSEN, SESSION
from tests.agents.gateway.test_signed import (  # noqa: F401 - fixtures
    Call,
    Key,
    batch,
    call,
    operator,
    own_key,
)
from tests.agents.plane import SITE_URL, Plane, Reply
from tests.agents.signing import signed_headers
from tests.agents.small_agent import SmallAgent
from tests.fixtures.issuer import Issuer

UNKNOWN = "nobody-began-this-one-" + "x" * 20
Stop = Callable[..., Reply]


def stop_path(agent: Agent) -> str:
    return f"/runtimes/{quote(agent.arn, safe='')}/stopruntimesession"


@pytest.fixture
def stop(plane: Plane, agent: Agent, issuer: Issuer) -> Stop:
    """Stop a session, as alice unless another token is given; no token: token=None."""

    def asks(session_id: str | None = CHOSEN, *, token: str | None = "", **more: Any) -> Reply:
        sent = {"content-type": "application/json", **more.pop("headers", {})}
        if session_id is not None:
            sent[SESSION] = session_id
        if token is not None:
            sent["authorization"] = f"Bearer {token or issuer.token()}"
        return plane.ask(more.pop("path", stop_path(agent)), headers=sent, **more)

    return asks


def is_stopped(agent: Agent, session_id: str = CHOSEN) -> bool:
    found = RuntimeSession.objects.get(agent_id=agent.agent_id, session_id=session_id)
    return found.ended_at is not None


def refusals(agent: Agent) -> list[str]:
    return [reason for action, _, reason in events(agent) if action == "agent.session.stop"]


def test_a_person_stops_their_own_session_on_record(
    invoke: Invoke, stop: Stop, agent: Agent
) -> None:
    invoke(headers={SESSION: CHOSEN})

    reply = stop(body=b'{"clientToken": "0123456789-0123456789-0123456789"}')

    assert (reply.status, reply.json()) == (200, {})
    assert reply.headers[SESSION] == CHOSEN
    session = RuntimeSession.objects.get(session_id=CHOSEN, agent_id=agent.agent_id)
    assert (session.ended_at is not None, session.ended_by) == (True, "Alice")
    event = AuditEvent.objects.get(action="agent.session.stopped", agent=agent.agent_id)
    assert (event.subject_sub, event.client) == ("alice", "portal")
    assert event.detail["session"] == CHOSEN


def test_stopping_again_changes_nothing_and_succeeds(
    invoke: Invoke, stop: Stop, agent: Agent
) -> None:
    invoke(headers={SESSION: CHOSEN})
    stop()
    before = RuntimeSession.objects.filter(agent_id=agent.agent_id).values().get()

    assert stop().status == 200

    assert RuntimeSession.objects.filter(agent_id=agent.agent_id).values().get() == before
    stopped = AuditEvent.objects.filter(action="agent.session.stopped", agent=agent.agent_id)
    assert stopped.count() == 1


def test_its_owner_begins_another_under_the_same_id(invoke: Invoke, stop: Stop) -> None:
    invoke(headers={SESSION: CHOSEN})
    stop()

    assert invoke(headers={SESSION: CHOSEN}).status == 200


def test_another_persons_session_is_not_there(
    invoke: Invoke, stop: Stop, agent: Agent, issuer: Issuer
) -> None:
    invoke(headers={SESSION: CHOSEN})

    foreign = stop(token=issuer.token(sub="bob"))
    unknown = stop(UNKNOWN, token=issuer.token(sub="bob"))

    assert (foreign.status, foreign.error) == (404, "ResourceNotFoundException")
    assert (foreign.status, foreign.body) == (unknown.status, unknown.body)
    assert not is_stopped(agent)
    assert refusals(agent) == ["session_not_found"] * 2


@pytest.mark.parametrize(
    ("token", "refused"),
    [(None, (401, "missing_token")), ("not.a.token", (403, "malformed"))],
)
def test_without_a_good_token_nothing_is_stopped(
    invoke: Invoke, stop: Stop, agent: Agent, token: str | None, refused: tuple[int, str]
) -> None:
    invoke(headers={SESSION: CHOSEN})

    reply = stop(token=token)

    assert not is_stopped(agent)
    assert [(reply.status, reason) for reason in refusals(agent)] == [refused]


def test_the_challenge_names_the_agents_metadata(stop: Stop, agent: Agent) -> None:
    path = stop_path(agent).replace("stopruntimesession", "invocations")

    assert stop(token=None).headers["www-authenticate"] == (
        f'Bearer resource_metadata="{SITE_URL}/.well-known/oauth-protected-resource{path}"'
    )


def test_whom_the_agent_is_not_for_stops_nothing(
    invoke: Invoke, stop: Stop, agent: Agent, issuer: Issuer
) -> None:
    assert stop(token=issuer.token(sub="charlie")).status == 404
    assert refusals(agent) == ["agent_not_found"]


@pytest.mark.parametrize(("session_id", "said"), [(None, "missing"), ("short", "length")])
def test_the_session_has_to_be_named(stop: Stop, session_id: str | None, said: str) -> None:
    reply = stop(session_id)

    assert (reply.status, reply.error) == (400, "ValidationException")
    assert said in reply.message


def test_a_signature_on_an_agent_that_asks_for_tokens_is_a_mismatch(
    invoke: Invoke, stop: Stop, agent: Agent
) -> None:
    invoke(headers={SESSION: CHOSEN})

    reply = stop(
        token=None,
        headers={
            "authorization": "AWS4-HMAC-SHA256 Credential=A/B, SignedHeaders=host, Signature=0"
        },
    )

    assert (reply.status, reply.error) == (403, "AccessDeniedException")
    assert reply.message.startswith("Authorization method mismatch.")
    assert not is_stopped(agent)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_stops(stop: Stop, method: str) -> None:
    assert stop(method=method).status == 404


def test_an_agent_that_is_unknown_has_no_sessions(stop: Stop, agent: Agent) -> None:
    path = stop_path(agent).replace(agent.agent_id, "concierge-0000000000")

    assert stop(path=path).status == 404


SignedStop = Callable[..., Reply]


@pytest.fixture
def signed_stop(plane: Plane, batch: Agent) -> SignedStop:  # noqa: F811
    """Stop a session of an agent that asks for signatures."""

    def asks(key: Key, session_id: str = CHOSEN, *, body: bytes = b"{}", **more: str) -> Reply:
        row, secret = key
        headers = signed_headers(
            plane.url + stop_path(batch),
            key_id=row.access_key_id,
            secret=secret,
            body=body,
            headers={SESSION: session_id, **more},
        )
        return plane.ask(stop_path(batch), headers=headers, body=body)

    return asks


def test_an_agents_key_stops_its_own_sessions_and_no_others(
    call: Call,  # noqa: F811
    signed_stop: SignedStop,
    batch: Agent,  # noqa: F811
    own_key: Key,  # noqa: F811
    operator: Key,  # noqa: F811
) -> None:
    theirs = "operators-" + "x" * 40
    call(own_key, headers={SESSION: CHOSEN})
    call(operator, headers={SESSION: theirs})

    assert signed_stop(own_key, theirs).status == 404
    assert not is_stopped(batch, theirs)
    assert signed_stop(own_key, CHOSEN).status == 200
    assert is_stopped(batch, CHOSEN)


def test_an_operator_stops_any_and_in_the_name_of_a_user_only_theirs(
    call: Call,  # noqa: F811
    signed_stop: SignedStop,
    batch: Agent,  # noqa: F811
    own_key: Key,  # noqa: F811
    operator: Key,  # noqa: F811
) -> None:
    user_id = "X-Amzn-Bedrock-AgentCore-Runtime-User-Id"
    call(operator, headers={SESSION: CHOSEN, user_id: "user-7"})

    assert signed_stop(operator, CHOSEN, **{user_id: "user-8"}).status == 404
    assert not is_stopped(batch)
    assert signed_stop(operator, CHOSEN).status == 200
    assert is_stopped(batch)


def test_a_key_that_is_limited_to_other_operations_stops_nothing(
    call: Call,  # noqa: F811
    signed_stop: SignedStop,
    batch: Agent,  # noqa: F811
    operator: Key,  # noqa: F811
) -> None:
    call(operator, headers={SESSION: CHOSEN})
    limited = access_keys.access_key_create(
        label="op", workload_identity=None, actor=ADMIN, operations=["InvokeAgentRuntime"]
    )

    reply = signed_stop(limited)

    assert (reply.status, reply.error) == (403, "AccessDeniedException")
    assert "StopRuntimeSession" in reply.message
    assert not is_stopped(batch)


def test_a_body_that_is_too_large_is_not_read(signed_stop: SignedStop, operator: Key) -> None:  # noqa: F811
    assert signed_stop(operator, body=b"x" * (16 * 1024 + 1)).status == 400


def test_boto3_stops_a_session_and_learns_of_one_that_is_not_there(
    plane: Plane,
    call: Call,  # noqa: F811
    batch: Agent,  # noqa: F811
    operator: Key,  # noqa: F811
    upstream: SmallAgent,
) -> None:
    row, secret = operator
    client = boto3.client(
        "bedrock-agentcore",
        endpoint_url=plane.url,
        region_name="us-east-1",
        aws_access_key_id=row.access_key_id,
        aws_secret_access_key=secret.reveal(),
        config=Config(retries={"max_attempts": 0}),
    )
    call(operator, headers={SESSION: CHOSEN})

    stopped = client.stop_runtime_session(agentRuntimeArn=batch.arn, runtimeSessionId=CHOSEN)

    assert (stopped["runtimeSessionId"], stopped["statusCode"]) == (CHOSEN, 200)
    assert is_stopped(batch)
    with pytest.raises(ClientError) as refused:
        client.stop_runtime_session(agentRuntimeArn=batch.arn, runtimeSessionId=UNKNOWN)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
