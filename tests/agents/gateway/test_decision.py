"""Who is let through; of a refusal the agent sees nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from agents import services, workload
from agents.models import Agent, AgentEndpoint
from core import jose
from core.models import AuditEvent, User
from core.subject import Subject
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.gateway.conftest import Invoke, events, refusal_of, subject_of
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import SITE_URL, Plane, invocation_path
from tests.agents.small_agent import SmallAgent
from tests.fixtures.issuer import Issuer


def test_a_person_who_may_gets_the_agents_answer(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    reply = invoke(body=b'{"prompt": "hi"}')

    assert (reply.status, reply.json()) == (200, {"said": "hello"})
    call = upstream.next_call()
    assert call.line == "POST /invocations HTTP/1.1"
    assert call.body == b'{"prompt": "hi"}'
    assert waiting_for_end(agent) == [
        ("agent.invocation", "allowed", ""),
        ("agent.invocation.ended", "allowed", ""),
    ]
    assert subject_of(agent) == Subject(issuer.url, "alice")


def test_the_record_says_who_what_and_how_much(invoke: Invoke, agent: Agent) -> None:
    reply = invoke()

    waiting_for_end(agent)
    let, ended = AuditEvent.objects.filter(agent=agent.agent_id, client="portal").order_by("pk")
    session = reply.headers["x-amzn-bedrock-agentcore-runtime-session-id"]
    assert let.detail == {"version": 1, "endpoint": "DEFAULT", "session": session}
    assert let.workload == agent.workload_identity.name
    assert (let.reference, let.client_ip) == (reply.headers["x-amzn-requestid"], "127.0.0.1")
    assert ended.reference == let.reference
    assert ended.detail["bytes"] == len(reply.body)
    assert 0 <= ended.detail["duration_ms"] < 10_000


def test_the_token_that_the_agent_gets_is_for_this_person_agent_and_session(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    session = "session-" + "x" * 40

    reply = invoke(headers={"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": session})

    call = upstream.next_call()
    token = call.header("WorkloadAccessToken")
    assert token is not None
    assert token == call.header("X-Amz-Bedrock-AgentCore-Identity-WAT")
    verified = workload.read(token)
    assert verified.workload_id == agent.workload_identity.pk
    assert verified.workload_name == agent.workload_identity.name
    assert verified.subject == Subject(issuer.url, "alice")
    assert verified.session_id == session
    assert verified.invocation == reply.headers["x-amzn-requestid"]
    # What the person called with comes along, to be exchanged; nobody but this site can read it.
    assert verified.user_token is not None
    assert jose.parse(verified.user_token.reveal()).claims["sub"] == "alice"
    assert verified.user_token.reveal() not in str(call.headers)


@pytest.mark.parametrize(
    "path",
    [
        "/runtimes/{unknown_arn}/invocations",
        "/runtimes/{unknown}/invocations",
        "/runtimes/{other_region}/invocations",
        "/runtimes/{other_account}/invocations",
        "/runtimes/arn%3Aaws%3As3%3A%3A%3Abucket/invocations",
        "/runtimes/%00/invocations",
        "/runtimes/%ff%fe/invocations",
        "/runtimes/..%2f..%2fadmin/invocations",
        "/runtimes/{own}%00/invocations",
        "/runtimes/{own}%0a/invocations",
        "/runtimes/{own}/x/invocations",
        "/runtimes/{own_twice}/invocations",
        "/runtimes/" + "a" * 4000 + "/invocations",
        "/runtimes/{own}/invocations?qualifier=unknown",
        "/runtimes/{own}/invocations?qualifier=%00",
        "/runtimes/{own}/invocations?qualifier=",
        "/runtimes/{own}/invocations?qualifier=" + "a" * 49,
    ],
)
def test_an_unknown_agent_or_endpoint_is_not_found(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, path: str
) -> None:
    arn = agent.arn
    names = {
        "own": quote(arn, safe=""),
        "own_twice": quote(arn + arn, safe=""),
        "unknown": "concierge-0000000000",
        "unknown_arn": quote(arn[:-10] + "0" * 10, safe=""),
        "other_region": quote(arn.replace("us-east-1", "eu-west-1"), safe=""),
        "other_account": quote(arn.replace("000000000000", "111111111111"), safe=""),
    }

    reply = invoke(path=path.format(**names), token=None)

    assert (reply.status, reply.error) == (404, "ResourceNotFoundException")
    assert upstream.calls == []


@pytest.mark.parametrize("encode", [lambda arn: quote(arn, safe=""), str, lambda a: a[-19:]])
def test_an_agent_is_found_by_its_arn_and_by_its_id(
    invoke: Invoke, agent: Agent, encode: Any
) -> None:
    named = agent.agent_id if encode(agent.arn) == agent.arn[-19:] else encode(agent.arn)

    assert invoke(path=f"/runtimes/{named}/invocations?qualifier=DEFAULT").status == 200


def test_two_endpoints_at_once_are_refused(invoke: Invoke, agent: Agent) -> None:
    path = invocation_path(agent) + "?qualifier=DEFAULT&qualifier=v1"

    assert invoke(path=path).status == 400
    many = invocation_path(agent) + "?" + "&".join(f"a{n}=1" for n in range(100))
    assert invoke(path=many).status == 400


def test_an_endpoint_serves_the_version_that_it_points_at(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    first = agent.versions.get()
    AgentEndpoint.objects.create(agent=agent, name="v1", version=first)
    services.agent_configure(
        agent=agent,
        asked=configured(issuer, url="http://127.0.0.1:9", allowed_clients=("other",)),
        actor=ADMIN,
    )

    assert invoke(path=invocation_path(agent, "v1")).status == 200
    assert invoke(path=invocation_path(agent)).status == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_only_post_invokes(invoke: Invoke, agent: Agent, upstream: SmallAgent, method: str) -> None:
    reply = invoke(method=method)

    assert (reply.status, reply.error) == (404, "UnknownOperationException")
    assert upstream.calls == []


def test_whom_it_is_not_for_learns_nothing_about_it(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, issuer: Issuer
) -> None:
    unknown = f"/runtimes/{quote(agent.arn[:-10] + '0' * 10, safe='')}/invocations"
    token = issuer.token(sub="charlie")

    refused = invoke(token=token)
    not_there = invoke(token=token, path=unknown)

    assert refused.status == not_there.status == 404
    assert refused.body == not_there.body
    varying = {"x-amzn-requestid", "date"}
    assert {k: v for k, v in refused.headers.items() if k not in varying} == {
        k: v for k, v in not_there.headers.items() if k not in varying
    }
    assert refusal_of(agent) == "agent_not_found"
    assert subject_of(agent) == Subject(issuer.url, "charlie")
    assert upstream.calls == []


def test_whom_it_is_not_for_does_not_learn_that_it_is_switched_off(
    invoke: Invoke, agent: Agent, issuer: Issuer
) -> None:
    services.agent_switch(agent=agent, enabled=False, actor=ADMIN)

    assert invoke(token=issuer.token(sub="charlie")).status == 404
    assert invoke(token=issuer.token(sub="alice")).status == 403


def test_a_group_that_the_token_names_counts(
    invoke: Invoke, agent: Agent, issuer: Issuer, people: dict[str, User]
) -> None:
    group = people["bob"].groups.get().name

    assert invoke(token=issuer.token(sub="stranger", groups=[group])).status == 200


@pytest.mark.parametrize(("claim", "status"), [(None, 200), ([], 404), (["other"], 404), (7, 404)])
def test_the_last_sign_ins_groups_count_only_where_the_token_says_nothing(
    invoke: Invoke, issuer: Issuer, claim: Any, status: int
) -> None:
    assert invoke(token=issuer.token(sub="bob", groups=claim)).status == status


def test_a_person_of_the_same_name_at_another_issuer_is_another_person(
    plane: Plane, agent: Agent, people: dict[str, User], issuer: Issuer, upstream: SmallAgent
) -> None:
    User.objects.filter(pk=people["alice"].pk).update(iss="https://other.example")

    reply = plane.ask(
        invocation_path(agent), headers={"authorization": f"Bearer {issuer.token(sub='alice')}"}
    )

    assert reply.status == 404
    assert upstream.calls == []


def test_everyone_means_everyone_with_a_good_token(
    plane: Plane, issuer: Issuer, upstream: SmallAgent, agent: Agent
) -> None:
    open_one = make_agent(f"open_{agent.pk}", issuer, url=upstream.url, everyone=True)

    def status(**claims: Any) -> int:
        headers = {"authorization": f"Bearer {issuer.token(**claims)}"}
        return plane.ask(invocation_path(open_one), headers=headers).status

    assert status(sub="stranger") == 200
    assert status(sub="stranger", client_id="other") == 401


def test_an_agent_that_is_switched_off_is_refused_with_a_sentence(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    services.agent_switch(agent=agent, enabled=False, actor=ADMIN)

    reply = invoke()

    assert (reply.status, reply.error) == (403, "AccessDeniedException")
    assert reply.message == "This agent has been switched off by an administrator."
    assert refusal_reasons(agent) == ["agent_disabled"]
    assert upstream.calls == []


def refusal_reasons(agent: Agent) -> list[str]:
    return [reason for _, outcome, reason in events(agent) if outcome == "refused"]


def test_an_identity_that_is_switched_off_is_refused(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    services.workload_identity_switch(identity=agent.workload_identity, enabled=False, actor=ADMIN)

    assert invoke().status == 403
    assert refusal_of(agent) == "workload_disabled"
    assert upstream.calls == []


def test_a_person_who_is_switched_off_is_refused(
    invoke: Invoke, agent: Agent, people: dict[str, User], upstream: SmallAgent
) -> None:
    User.objects.filter(pk=people["alice"].pk).update(is_active=False)

    assert invoke().status == 403
    assert refusal_of(agent) == "person_disabled"
    assert upstream.calls == []


def test_without_a_token_it_says_where_to_get_one(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    reply = invoke(token=None)

    assert (reply.status, reply.error) == (401, "UnauthorizedException")
    assert reply.headers["www-authenticate"] == (
        f'Bearer resource_metadata="{SITE_URL}/.well-known/oauth-protected-resource'
        f'{invocation_path(agent)}"'
    )
    assert refusal_of(agent) == "missing_token"
    assert upstream.calls == []


@pytest.mark.parametrize("credentials", ["", "Bearer", "Bearer ", "Basic YTpi", "Token abc", "x"])
def test_other_credentials_are_no_token(
    invoke: Invoke, agent: Agent, credentials: str, upstream: SmallAgent
) -> None:
    reply = invoke(token=None, headers={"authorization": credentials})

    assert reply.status == 401
    assert refusal_of(agent) == "missing_token"
    assert upstream.calls == []


def test_two_tokens_are_refused(plane: Plane, agent: Agent, issuer: Issuer) -> None:
    two = [("authorization", f"Bearer {issuer.token(sub=sub)}") for sub in ("alice", "bob")]

    reply = plane.ask(invocation_path(agent), headers=two)

    assert reply.status == 400
    assert refusal_of(agent) == "invalid_request"


def test_a_signature_on_an_agent_that_asks_for_tokens_is_a_mismatch(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=A/B, SignedHeaders=host, Signature=0"}

    by_header = invoke(token=None, headers=signed)
    by_query = invoke(token=None, path=invocation_path(agent) + "?X-Amz-Signature=0")

    for reply in (by_header, by_query):
        assert (reply.status, reply.error) == (403, "AccessDeniedException")
        assert reply.message.startswith("Authorization method mismatch.")
        assert "www-authenticate" not in reply.headers
    assert {reason for *_, reason in events(agent)} == {"auth_mode_mismatch"}
    assert upstream.calls == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("x" * 32, "greater than or equal to 33"),
        ("", "greater than or equal to 33"),
        ("x" * 257, "less than or equal to 256"),
        ("\u00e9" * 40, "printable ASCII"),
        ("x" * 40 + "\t" + "x", "printable ASCII"),
    ],
)
def test_a_session_id_of_another_shape_is_refused(
    invoke: Invoke, agent: Agent, upstream: SmallAgent, given: str, said: str
) -> None:
    reply = invoke(
        headers={"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": given.encode().decode("latin-1")}
    )

    assert (reply.status, reply.error) == (400, "ValidationException")
    assert said in reply.message
    assert upstream.calls == []


@pytest.mark.parametrize("length", [33, 256])
def test_a_session_id_is_kept_and_echoed(invoke: Invoke, upstream: SmallAgent, length: int) -> None:
    name = "x-amzn-bedrock-agentcore-runtime-session-id"

    reply = invoke(headers={name: "s" * length})

    assert reply.headers[name] == upstream.next_call().header(name) == "s" * length


def test_without_a_session_id_one_is_allocated(invoke: Invoke, upstream: SmallAgent) -> None:
    name = "x-amzn-bedrock-agentcore-runtime-session-id"

    first, second = (invoke().headers[name] for _ in range(2))

    assert 33 <= len(first) <= 256
    assert first != second


def test_a_refusal_is_json_that_nothing_keeps(invoke: Invoke) -> None:
    reply = invoke(token=None)

    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert json.loads(reply.body) == {"message": "Missing Authentication Token"}
