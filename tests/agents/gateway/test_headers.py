"""Which headers reach an agent. The platform's own cannot be spoofed, and nobody else's leak."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from agents import services
from agents.models import Agent
from core.models import User
from tests.agents.conftest import ADMIN, configured
from tests.agents.gateway.conftest import Invoke, refusal_of
from tests.agents.plane import SITE_URL
from tests.agents.small_agent import SmallAgent
from tests.fixtures.issuer import Issuer

CUSTOM = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-"
PLATFORM = {
    *("workloadaccesstoken", "x-amz-bedrock-agentcore-identity-wat", "oauth2callbackurl"),
    "x-amzn-bedrock-agentcore-runtime-session-id",
    "x-amzn-bedrock-agentcore-runtime-request-id",
    "x-amzn-bedrock-agentcore-runtime-user-id",
    "traceparent",
}
TRANSPORT = {"host", "content-length", "accept-encoding", "user-agent", "accept"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def allow(agent: Agent, issuer: Issuer, upstream: SmallAgent, *names: str) -> None:
    asked = configured(issuer, url=upstream.url, header_allowlist=names)
    services.agent_configure(agent=agent, asked=asked, actor=ADMIN)


def test_nothing_reaches_the_agent_but_what_is_listed_and_the_platforms_own(
    invoke: Invoke, upstream: SmallAgent
) -> None:
    invoke(
        headers={
            "X-Tenant": "acme",
            "X-Other": "1",
            "Cookie": "daiko_session=s3cret",
            "Accept": "text/event-stream",
            "User-Agent": "curl/8",
            "Origin": "https://evil.example",
            "Referer": "https://daiko.example/chat/1",
        }
    )

    call = upstream.next_call()
    assert call.names() == PLATFORM | TRANSPORT | {"content-type", "x-tenant"}
    assert call.header("X-Tenant") == "acme"
    assert call.header("Accept") == "text/event-stream"
    assert call.header("User-Agent") == "Daiko"
    assert "s3cret" not in str(call.headers)


@pytest.mark.parametrize(
    "name",
    [
        *("Cookie", "Authorization", "Proxy-Authorization", "X-Api-Key", "X-CSRFToken"),
        *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded", "Forwarded"),
        *("X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "Via"),
        *("X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256", "X-Amzn-Trace-Id"),
        *("X-Amzn-Bedrock-AgentCore-Shell-Id", "X-Original-URL", "X-HTTP-Method-Override"),
        *("Keep-Alive", "Proxy-Connection", "Trailer", "Range", "If-Match", "Sec-Fetch-Mode"),
    ],
)
def test_a_header_that_is_not_listed_does_not_reach_the_agent(
    invoke: Invoke, upstream: SmallAgent, issuer: Issuer, name: str
) -> None:
    value = f"Bearer {issuer.token()}" if name == "Authorization" else "v4lue"

    assert (
        invoke(token=None if name == "Authorization" else "", headers={name: value}).status == 200
    )

    call = upstream.next_call()
    assert name.lower() not in call.names()
    assert value not in str(call.headers)


@pytest.mark.parametrize(
    "name",
    [
        *("WorkloadAccessToken", "OAuth2CallbackUrl"),
        *(f"X-Amzn-Bedrock-AgentCore-Runtime-{what}" for what in ("User-Id", "Request-Id")),
        *(f"{CUSTOM}User-{what}" for what in ("Id", "Name", "Groups")),
    ],
)
def test_what_the_platform_says_cannot_be_said_by_a_caller(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent, name: str
) -> None:
    allow(agent, issuer, upstream, *(f"{CUSTOM}User-{what}" for what in ("Id", "Name", "Groups")))

    for spelling in (name, name.lower(), name.upper()):
        assert invoke(headers={spelling: "spoofed"}).status == 200
        assert "spoofed" not in str(upstream.next_call().headers)


def test_an_agent_that_names_them_gets_verified_facts_about_the_person(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent, people: dict[str, User]
) -> None:
    allow(agent, issuer, upstream, *(f"{CUSTOM}User-{what}" for what in ("Id", "Name", "Groups")))
    User.objects.filter(pk=people["alice"].pk).update(name="アリス, the 1st")

    invoke(token=issuer.token(sub="alice", groups=["b, c", "管理", "a"]))

    call = upstream.next_call()
    facts = {what: call.header(f"{CUSTOM}User-{what}") or "" for what in ("Id", "Name", "Groups")}
    assert all(value.isascii() for value in facts.values())
    assert unquote(facts["Id"]) == "alice"
    assert unquote(facts["Name"]) == "アリス, the 1st"
    assert [unquote(group) for group in facts["Groups"].split(",")] == ["a", "b, c", "管理"]


def test_an_agent_that_does_not_name_them_gets_no_facts(
    invoke: Invoke, upstream: SmallAgent
) -> None:
    invoke()

    assert not [n for n in upstream.next_call().names() if n.startswith(CUSTOM.lower())]


def test_a_name_that_is_no_text_breaks_nothing(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent, people: dict[str, User]
) -> None:
    allow(agent, issuer, upstream, *(f"{CUSTOM}User-{what}" for what in ("Name", "Groups")))
    group = people["bob"].groups.get().name

    reply = invoke(token=issuer.token(sub="new", name="\ud800x\r\nX-Evil: 1", groups=[group]))

    assert reply.status == 200
    call = upstream.next_call()
    assert unquote(call.header(f"{CUSTOM}User-Name") or "") == "?x\r\nX-Evil: 1"
    assert "x-evil" not in call.names()


def test_a_custom_header_that_is_not_listed_is_refused_by_name(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    reply = invoke(headers={f"{CUSTOM}Tenant": "acme"})

    assert (reply.status, reply.error) == (400, "ValidationException")
    assert f"{CUSTOM}Tenant".lower() in reply.message
    assert refusal_of(agent) == "header_not_allowed"
    assert upstream.calls == []


def test_a_custom_header_that_is_listed_passes_in_any_spelling(
    invoke: Invoke, agent: Agent, issuer: Issuer, upstream: SmallAgent
) -> None:
    allow(agent, issuer, upstream, f"{CUSTOM}Tenant", "AUTHORIZATION")
    token = issuer.token()

    invoke(token=token, headers={f"{CUSTOM}TENANT": "acme"})

    call = upstream.next_call()
    assert call.header(f"{CUSTOM}tenant") == "acme"
    assert call.header("authorization") == f"Bearer {token}"  # an admin said so


@pytest.mark.parametrize(("size", "status"), [(4096, 200), (4097, 400)])
def test_a_value_has_four_kibibytes(invoke: Invoke, size: int, status: int) -> None:
    reply = invoke(headers={"X-Tenant": "v" * size})

    assert reply.status == status


def test_a_value_reaches_the_agent_octet_for_octet(invoke: Invoke, upstream: SmallAgent) -> None:
    invoke(headers={"X-Tenant": "株式会社".encode().decode("latin-1")})

    assert upstream.next_call().header("X-Tenant") == "株式会社"


def test_a_value_that_is_not_utf_8_is_refused(
    invoke: Invoke, agent: Agent, upstream: SmallAgent
) -> None:
    assert invoke(headers={"X-Tenant": "\xff\xfe"}).status == 400
    assert refusal_of(agent) == "header_not_allowed"
    assert upstream.calls == []


def test_a_trace_goes_on(invoke: Invoke, upstream: SmallAgent) -> None:
    invoke(headers={"traceparent": TRACE, "tracestate": "a=1", "baggage": "b=2"})

    call = upstream.next_call()
    assert call.header("traceparent") == TRACE
    assert (call.header("tracestate"), call.header("baggage")) == ("a=1", "b=2")


@pytest.mark.parametrize(
    "given",
    [
        *("", "x", TRACE + "-more", TRACE.upper(), "ff" + TRACE[2:], TRACE[:-1]),
        *(f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{'a' * 32}-{'0' * 16}-01"),
    ],
)
def test_a_trace_that_is_not_well_formed_begins_anew_without_its_state(
    invoke: Invoke, upstream: SmallAgent, given: str
) -> None:
    invoke(headers={"traceparent": given, "tracestate": "a=1"})

    call = upstream.next_call()
    fresh = call.header("traceparent") or ""
    assert fresh != given
    assert (len(fresh), fresh[:3], fresh[-3:]) == (55, "00-", "-00")
    assert call.header("tracestate") is None


def test_the_agent_is_told_where_consent_ends_and_under_which_reference(
    invoke: Invoke, upstream: SmallAgent
) -> None:
    reply = invoke()

    call = upstream.next_call()
    assert call.header("OAuth2CallbackUrl") == f"{SITE_URL}/connections/complete/"
    reference = call.header("X-Amzn-Bedrock-AgentCore-Runtime-Request-Id")
    assert reference == reply.headers["x-amzn-requestid"]


def test_what_the_agent_says_of_itself_does_not_reach_the_client(
    invoke: Invoke, upstream: SmallAgent
) -> None:
    upstream.behaviour = lambda call: call.answer(
        b"<script>",
        content_type="text/html",
        set_cookie="daiko_session=stolen",
        access_control_allow_origin="*",
        location="https://evil.example",
        server="agent/1",
        x_amzn_requestid="forged",
    )

    reply = invoke()

    assert reply.status == 200
    assert set(reply.headers) == {
        *("content-type", "cache-control", "content-security-policy", "x-content-type-options"),
        *("x-accel-buffering", "x-amzn-bedrock-agentcore-runtime-session-id", "x-amzn-requestid"),
        *("content-length", "server", "date"),
    }
    assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert reply.headers["x-amzn-requestid"] != "forged"
    assert reply.headers["server"] != "agent/1"


def test_an_answer_that_is_packed_is_passed_on_as_it_is(
    invoke: Invoke, upstream: SmallAgent
) -> None:
    upstream.behaviour = lambda call: call.answer(b"\x1f\x8bpacked", content_encoding="gzip")

    reply = invoke()

    assert (reply.body, reply.headers["content-encoding"]) == (b"\x1f\x8bpacked", "gzip")
    assert upstream.next_call().header("accept-encoding") == "identity"


def test_a_listed_header_that_stands_twice_reaches_the_agent_twice(
    plane: Any, agent: Agent, issuer: Issuer, upstream: SmallAgent, invoke: Invoke
) -> None:
    token = issuer.token()
    twice = [("authorization", f"Bearer {token}"), ("X-Tenant", "a"), ("X-Tenant", "b")]

    plane.ask(f"/runtimes/{agent.agent_id}/invocations", headers=twice)

    sent = [value for name, value in upstream.next_call().headers if name == "x-tenant"]
    assert sent == ["a", "b"]
