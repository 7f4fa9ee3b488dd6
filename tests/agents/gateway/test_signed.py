"""Agents that are called with an access key instead of a person's token."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from contextlib import ExitStack
from hashlib import sha256
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from agents import services, workload
from agents.keys import access_keys
from agents.models import AccessKey, Agent
from core.models import AuditEvent
from core.secret import Secret
from core.subject import Subject
from tests.agents.conftest import ADMIN, configured
from tests.agents.gateway.conftest import Invoke, events, refusal_of
from tests.agents.plane import Plane, Reply, another_than, invocation_path
from tests.agents.signing import signed_headers
from tests.agents.small_agent import SmallAgent
from tests.fixtures.issuer import Issuer

USER_ID = "X-Amzn-Bedrock-AgentCore-Runtime-User-Id"
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
Key = tuple[AccessKey, Secret]


@pytest.fixture
def batch(agent: Agent, upstream: SmallAgent) -> Agent:
    """The agent, from now on called with access keys."""
    asked = configured(url=upstream.url, auth_mode="SIGV4", discovery_url="", allowed_clients=())
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN, may_drop_authorizer=True)
    return agent


@pytest.fixture
def operator(batch: Agent) -> Key:
    return access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)


@pytest.fixture
def own_key(batch: Agent) -> Key:
    """A key of an agent's process, bound to its workload identity."""
    return access_keys.access_key_create(
        label="agent", workload_identity=batch.workload_identity, actor=ADMIN
    )


Call = Callable[..., Reply]


@pytest.fixture
def call(plane: Plane, batch: Agent) -> Call:
    """Call the agent, signed with a key; `unsigned` headers are added after the signature."""

    def calls(
        key: Key,
        *,
        body: bytes = b"{}",
        sent: bytes | None = None,
        unsigned: dict[str, str] | None = None,
        **signing: Any,
    ) -> Reply:
        path = invocation_path(batch)
        row, secret = key
        headers = signed_headers(
            plane.url + path, key_id=row.access_key_id, secret=secret, body=body, **signing
        )
        headers = {**headers, **(unsigned or {})}
        return plane.ask(path, headers=headers, body=body if sent is None else sent)

    return calls


def test_an_operator_calls_for_nobody_in_particular(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    assert call(operator, body=b'{"n": 1}').status == 200

    got = upstream.next_call()
    assert got.body == b'{"n": 1}'
    assert got.header(USER_ID) is None
    assert workload.read(got.header("WorkloadAccessToken") or "").subject is None
    assert "authorization" not in got.names()
    event = AuditEvent.objects.filter(agent=batch.agent_id, action="agent.invocation").get()
    assert (event.client, event.subject_sub) == (operator[0].access_key_id, "")


def test_an_operator_calls_for_a_user_whom_it_names(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    assert call(operator, headers={USER_ID: "customer 7"}).status == 200

    got = upstream.next_call()
    assert got.header(USER_ID) == "customer%207"
    subject = workload.read(got.header("WorkloadAccessToken") or "").subject
    assert subject == Subject.opaque("customer 7")


def test_boto3_calls_an_agent_unmodified(
    plane: Plane, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    row, secret = operator
    client = boto3.client(
        "bedrock-agentcore",
        endpoint_url=plane.url,
        region_name="us-east-1",
        aws_access_key_id=row.access_key_id,
        aws_secret_access_key=secret.reveal(),
        config=Config(retries={"total_max_attempts": 1}),
    )

    answer = client.invoke_agent_runtime(
        agentRuntimeArn=batch.arn, payload=b'{"prompt": "hi"}', runtimeUserId="customer-7"
    )

    assert answer["response"].read() == b'{"said": "hello"}'
    assert len(answer["runtimeSessionId"]) >= 33
    got = upstream.next_call()
    assert got.body == b'{"prompt": "hi"}'
    assert got.header(SESSION) == answer["runtimeSessionId"]
    with pytest.raises(ClientError) as caught:
        client.invoke_agent_runtime(agentRuntimeArn=another_than(batch.arn), payload=b"{}")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_an_agents_own_key_calls_but_not_for_a_user(
    call: Call, batch: Agent, own_key: Key, upstream: SmallAgent
) -> None:
    assert call(own_key).status == 200
    upstream.calls.clear()

    reply = call(own_key, headers={USER_ID: "customer-7"})

    assert (reply.status, reply.error) == (403, "AccessDeniedException")
    assert "InvokeAgentRuntimeForUser" in reply.message
    assert events(batch)[-1] == ("agent.invocation", "refused", "not_for_a_user")
    assert upstream.calls == []


@pytest.mark.parametrize("name", [USER_ID, SESSION])
def test_for_whom_and_in_which_session_has_to_be_signed(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent, name: str
) -> None:
    reply = call(operator, unsigned={name: "x" * 40})

    assert reply.status == 403
    assert name.lower() in reply.message
    assert refusal_of(batch) == "forbidden"
    assert upstream.calls == []


@pytest.mark.parametrize("user_id", ["", "x" * 256, "a\tb", "\xff"])
def test_a_user_id_of_another_shape_is_refused(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent, user_id: str
) -> None:
    assert call(operator, headers={USER_ID: user_id}).status == 400
    assert upstream.calls == []


def test_a_body_that_was_changed_on_the_way_is_refused(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    reply = call(operator, body=b'{"pay": 1}', sent=b'{"pay": 9}')

    assert (reply.status, reply.error) == (403, "AccessDeniedException")
    assert refusal_of(batch) == "signature_mismatch"
    assert upstream.calls == []


def test_a_body_that_is_not_signed_is_refused(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    reply = call(operator, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})

    assert reply.status == 403
    assert refusal_of(batch) == "signature_payload"
    assert upstream.calls == []


def test_a_signature_of_ten_minutes_ago_is_refused(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    assert call(operator, seconds_ago=600).status == 403
    assert refusal_of(batch) == "signature_expired"
    assert upstream.calls == []


def test_an_unknown_key_and_one_that_is_switched_off_are_refused_alike(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    row, secret = operator
    unknown = AccessKey(access_key_id="AKIA" + "A" * 16)
    access_keys.access_key_switch(key=row, enabled=False, actor=ADMIN)

    replies = [call(operator), call((unknown, secret))]

    assert [reply.status for reply in replies] == [403, 403]
    assert replies[0].body == replies[1].body
    assert [reason for *_, reason in events(batch)] == ["key_disabled", "signature_unknown_key"]
    told = AuditEvent.objects.get(agent=batch.agent_id, reason="key_disabled").detail
    assert (told["access_key_id"], told["key_of"]) == (row.access_key_id, "")
    assert upstream.calls == []


def test_a_key_with_another_secret_is_refused(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    assert call((operator[0], Secret("x" * 40))).status == 403
    assert refusal_of(batch) == "signature_mismatch"
    assert upstream.calls == []


def test_an_unknown_keys_body_is_not_read(plane: Plane, batch: Agent) -> None:
    path = invocation_path(batch)
    headers = signed_headers(plane.url + path, key_id="AKIA" + "A" * 16, secret=Secret("s" * 40))

    with plane.connected() as peer:
        peer.sendall(plane.head(path, headers, length=50_000_000))
        status = peer.recv(4096).split(b" ", 2)[1]

    assert status == b"403"


def stating(body: bytes) -> dict[str, str]:
    """Return the header that states a body's hash, as the SDK for JavaScript sends it."""
    return {"X-Amz-Content-SHA256": sha256(body).hexdigest()}


def test_a_body_is_not_read_on_a_keys_id_alone(
    plane: Plane, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    path = invocation_path(batch)
    headers = signed_headers(
        plane.url + path,
        key_id=operator[0].access_key_id,
        secret=Secret("x" * 40),
        headers=stating(b"{}"),
    )

    with plane.connected() as peer:
        peer.settimeout(10)
        peer.sendall(plane.head(path, headers, length=50_000_000))
        status = peer.recv(4096).split(b" ", 2)[1]

    assert status == b"403"
    assert refusal_of(batch) == "signature_mismatch"
    assert upstream.calls == []


def test_a_body_other_than_the_signed_hash_says_is_refused(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    body = b'{"pay": 1}'

    reply = call(operator, body=body, sent=b'{"pay": 9}', headers=stating(body))

    assert (reply.status, reply.error) == (403, "AccessDeniedException")
    assert refusal_of(batch) == "signature_payload"
    assert upstream.calls == []


def test_few_large_bodies_are_read_on_a_keys_id_alone(
    plane: Plane, call: Call, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    path = invocation_path(batch)
    headers = signed_headers(
        plane.url + path, key_id=operator[0].access_key_id, secret=Secret("x" * 40)
    )
    large = b"x" * ((1 << 20) + 1)

    def begun() -> socket.socket:
        peer = opened.enter_context(plane.connected())
        peer.sendall(plane.head(path, headers, length=50_000_000) + large)
        return peer

    with ExitStack() as opened:
        read = {begun(), begun()}
        while True:
            third = call(operator, body=large)
            # One is refused that comes while this is being read in its place.
            refused = set(select.select(list(read), [], [], 0.1)[0])
            if third.status == 429 and not refused:
                break
            read = read - refused | {begun() for _each in refused}

        assert third.error == "ThrottlingException"
        assert "X-Amz-Content-SHA256" in third.message
        assert call(operator, body=large, headers=stating(large)).status == 200
    for _ in range(500):
        if call(operator, body=large).status == 200:
            break
    else:
        raise AssertionError("those that left are counted still")
    assert upstream.calls[-1].body == large


@pytest.mark.parametrize("is_stated", [True, False])
def test_a_large_signed_body_arrives_whole(
    call: Call, operator: Key, upstream: SmallAgent, is_stated: bool
) -> None:
    body = bytes(range(256)) * 4096 * 5  # more than is kept in memory

    assert call(operator, body=body, headers=stating(body) if is_stated else {}).status == 200

    got = upstream.next_call()
    assert got.body == body
    assert got.header("content-length") == str(len(body))


def test_a_token_on_an_agent_that_asks_for_a_signature_is_a_mismatch(
    invoke: Invoke, batch: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    reply = invoke()

    assert (reply.status, reply.error) == (403, "AccessDeniedException")
    assert reply.message.startswith("Authorization method mismatch.")
    assert refusal_of(batch) == "auth_mode_mismatch"
    assert upstream.calls == []


def test_without_credentials_there_is_no_challenge(
    invoke: Invoke, batch: Agent, upstream: SmallAgent
) -> None:
    reply = invoke(token=None)

    assert (reply.status, reply.error) == (403, "AccessDeniedException")
    assert "www-authenticate" not in reply.headers
    assert refusal_of(batch) == "missing_signature"
    assert upstream.calls == []


def test_an_agent_that_is_switched_off_is_refused_to_operators_too(
    call: Call, batch: Agent, operator: Key, upstream: SmallAgent
) -> None:
    services.agent_switch(agent=batch, enabled=False, actor=ADMIN)

    assert call(operator).status == 403
    assert refusal_of(batch) == "agent_disabled"
    assert upstream.calls == []
