from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bedrock_agentcore.runtime.models import RESTRICTED_HEADERS

from agents import configuration
from agents.configuration import Configuration, ConfigurationRefused
from agents.gateway.headers import may_be_allowed
from agents.gateway.protocols import a2a, agui, http, mcp
from agents.models import AgentVersion, WorkloadIdentity
from tests.agents.conftest import configured

WELL_KNOWN = "/.well-known/openid-configuration"


def claim(name: Any, kind: Any, operator: Any, **value: Any) -> dict[str, Any]:
    return {
        "inboundTokenClaimName": name,
        "inboundTokenClaimValueType": kind,
        "authorizingClaimMatchValue": {"claimMatchOperator": operator, "claimMatchValue": value},
    }


EQUALS = claim("department", "STRING", "EQUALS", matchValueString="support")
CONTAINS = claim("groups", "STRING_ARRAY", "CONTAINS", matchValueString="staff")
ODD: tuple[Any, ...] = (None, 7, "department", [], {}, {"a": 1})
ANY = claim("groups", "STRING_ARRAY", "CONTAINS_ANY", matchValueStringList=["a", "b"])


SIGNED: dict[str, Any] = {"auth_mode": "SIGV4", "discovery_url": "", "allowed_clients": ()}


def refused(asked: Configuration, **options: Any) -> dict[str, str]:
    with pytest.raises(ConfigurationRefused) as caught:
        configuration.check(asked, **options)
    return {error.name: str(error.message) for error in caught.value.fields}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"allowed_clients": (), "allowed_audience": ("api://agents",)},
        {"allowed_clients": (), "allowed_scopes": ("agents:call",)},
        {"allowed_clients": (), "custom_claims": (EQUALS, CONTAINS, ANY)},
        {"url": "https://agents.example/concierge/"},
        {"discovery_url": "https://idp.example/.well-known/oauth-authorization-server/tenant"},
        {"header_allowlist": ("Authorization", "X-Tenant", "traceparent")},
        {
            "header_allowlist": tuple(
                f"X-Amzn-Bedrock-AgentCore-Runtime-Custom-{n}" for n in range(20)
            )
        },
        {"auth_mode": "SIGV4", "discovery_url": "", "allowed_clients": ()},
        {"url": "https://a.example", "protocol": "MCP", "path": "/tools/mcp", "port": 8000},
        {"url": "https://agent.example:9000", "protocol": "A2A", "port": 9000},
        {"client_claims": ("azp", "appid", "cid")},
        {"allowed_scopes": ("call",), "advertised_scopes": {"call": "api://agents/call"}},
        {"resource_identifier": "https://agents.example/concierge"},
        {"session_idle_s": 60, "session_lifetime_s": 1_209_600},
        {"role_arn": "arn:aws:iam::000000000000:role/agents", "network": {"networkMode": "PUBLIC"}},
        {
            "network": {
                "networkMode": "VPC",
                "networkModeConfig": {
                    "securityGroups": ["sg-0123456789"],
                    "subnets": ["subnet-0123456789"],
                },
            }
        },
    ],
)
def test_what_the_wire_api_takes_is_taken(changed: dict[str, Any]) -> None:
    configuration.check(configured(**changed))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("url", url) for url in ("", "agent", "ftp://agent", "http://agent.example", "https://")),
        *(("url", f"https://{host}") for host in ("10.0.0.1", "u:p@agent.example", "2130706433")),
        *(("url", f"https://agent.example{tail}") for tail in ("?a=b", "#a", "/x?", "/" * 2048)),
        ("protocol", "SOAP"),
        ("auth_mode", "NONE"),
        *(("discovery_url", f"https://idp.example{tail}") for tail in ("", "/", WELL_KNOWN + "?a")),
        ("discovery_url", ""),
        ("discovery_url", f"http://idp.example{WELL_KNOWN}"),
        ("discovery_url", f"https://169.254.169.254{WELL_KNOWN}"),
        ("discovery_url", f"https://idp.example/{'a' * 2048}{WELL_KNOWN}"),
        *(("allowed_audience", (v,)) for v in ("", "a b", "a\n", "é", "a" * 256)),
        ("allowed_audience", ("a", "a")),
        *(("allowed_clients", (v,)) for v in ("", "a b", "a" * 256)),
        *(("allowed_scopes", (v,)) for v in ("", "a b", 'a"', "a\\b", "a" * 256)),
        *(("header_allowlist", (v,)) for v in ("", "1st", "X Tenant", "X-Té", "a" * 257, "X:Y")),
        ("header_allowlist", ("X-Tenant", "x-tenant")),
        ("header_allowlist", tuple(f"X-{n}" for n in range(21))),
        *(("path", p) for p in ("mcp", "/a b", "/a?b", "/../admin", "/%2e%2e/x", "/" + "a" * 2048)),
        *(("port", p) for p in (0, 65_536, 8081)),
        *(("client_claims", (c,)) for c in ("sub", "client_id", "")),
        ("advertised_scopes", {"call": "x"}),
        *(("resource_identifier", u) for u in ("http://a.example", "https://", "https://a/?b")),
        *(("resource_identifier", f"https://{u}") for u in ("a.example/#b", "u@a", "a" * 2048)),
        *(("session_idle_s", s) for s in (59,)),
        *(("session_lifetime_s", s) for s in (59, 899, 1_209_601)),
        *(("role_arn", a) for a in ("role", "arn:aws:iam::1:role/a", "arn:aws:sts::role/a")),
        *(("network", n) for n in ({"networkMode": "LAN"}, {"mode": "VPC"}, {"networkMode": 1})),
        ("network", {"networkMode": "PUBLIC", "more": 1}),
    ],
)
def test_what_it_does_not_take_is_refused_at_its_field(field: str, value: Any) -> None:
    assert set(refused(configured(**{field: value}))) == {field}


@pytest.mark.parametrize(
    "name",
    [
        *("Cookie", "Host", "Content-Length", "Transfer-Encoding", "Connection", "User-Agent"),
        *("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "Via", "Origin"),
        *("X-Amz-Date", "X-Amz-Bedrock-AgentCore-Identity-WAT", "WorkloadAccessToken"),
        *("OAuth2CallbackUrl", "X-Amzn-Trace-Id", "X-Amzn-Bedrock-AgentCore-Runtime-User-Id"),
        *("Sec-Fetch-Mode", "Proxy-Authorization", "CF-Connecting-IP", "Link", "X-Cache"),
        *("X_Amzn_Bedrock_AgentCore_Runtime_User_Id", "Content_Type", "X_Forwarded_For"),
        *("X_Amz-Bedrock_AgentCore-Identity_WAT", "User_Agent", "x_real-ip"),
        "X-Amzn-Bedrock-AgentCore-Runtime-Custom-User_Id",
        "X_Amzn_Bedrock_AgentCore_Runtime_Custom_Tenant",
    ],
)
def test_a_header_that_never_passes_cannot_be_listed(name: str) -> None:
    assert name in refused(configured(header_allowlist=(name,)))["header_allowlist"]


def test_the_wire_apis_own_list_of_restricted_headers_is_covered() -> None:
    # Those that begin with a colon belong to HTTP/2, and no header can be called so.
    names = {name for name in RESTRICTED_HEADERS if not name.startswith(":")}

    assert len(names) > 80
    assert not [name for name in names if may_be_allowed(name)]


def test_any_token_of_an_issuer_is_not_a_rule() -> None:
    assert "Any token" in refused(configured(allowed_clients=()))["allowed_clients"]


@pytest.mark.parametrize(
    "kept",
    [
        {"discovery_url": f"https://idp.example{WELL_KNOWN}"},
        {"allowed_clients": ("portal",)},
        {"allowed_audience": ("a",)},
        {"allowed_scopes": ("a",)},
        {"custom_claims": (EQUALS,)},
        {"client_claims": ("azp",)},
        {"resource_identifier": "https://agents.example/"},
    ],
)
def test_a_rule_that_would_not_be_applied_is_not_stored(kept: dict[str, Any]) -> None:
    asked = configured(**{**SIGNED, **kept})

    assert set(refused(asked)) == set(kept)


@pytest.mark.parametrize(
    ("added", "changed"),
    [
        *((added, {}) for added in ("/invocations", "/invocations/", "/ping")),
        *((added, {"protocol": "AGUI"}) for added in ("/invocations", "/ping")),
        *((added, {"protocol": "MCP"}) for added in ("/mcp", "/mcp/")),
        ("/a2a/v1", {"protocol": "A2A", "path": "/a2a/v1"}),
    ],
)
def test_a_url_does_not_hold_what_is_added_to_it(added: str, changed: dict[str, Any]) -> None:
    reason = refused(configured(url=f"https://agent.example/one{added}", **changed))["url"]

    assert "added to the URL by itself" in reason
    assert reason.endswith("Write https://agent.example/one")


def test_no_bearer_token_is_forwarded_where_none_is_checked() -> None:
    asked = configured(
        auth_mode="SIGV4", discovery_url="", allowed_clients=(), header_allowlist=("Authorization",)
    )

    assert set(refused(asked)) == {"header_allowlist"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        *((odd, "inboundTokenClaimName") for odd in ODD),
        ({**EQUALS, "authorizingClaimMatchValue": "support"}, "claimMatchOperator"),
        ({**EQUALS, "authorizingClaimMatchValue": {"claimMatchOperator": "EQUALS"}}, "Match"),
        (claim("", "STRING", "EQUALS", matchValueString="a"), "letters"),
        (claim("a b", "STRING", "EQUALS", matchValueString="a"), "letters"),
        (claim(7, "STRING", "EQUALS", matchValueString="a"), "letters"),
        (claim("scp", "STRING", "EQUALS", matchValueString="a"), "can't be 'scp'"),
        (claim("a", "STRING", "CONTAINS", matchValueString="a"), "EQUALS"),
        (claim("a", "STRING_ARRAY", "EQUALS", matchValueString="a"), "CONTAINS"),
        (claim("a", "NUMBER", "EQUALS", matchValueString="a"), "EQUALS"),
        (claim("a", ["STRING"], "EQUALS", matchValueString="a"), "EQUALS"),
        (claim("a", "STRING", ["EQUALS"], matchValueString="a"), "EQUALS"),
        (claim("a", "STRING", "EQUALS", matchValueStringList=["a"]), "matchValueString"),
        (claim("a", "STRING", "EQUALS"), "matchValueString"),
        (
            claim("a", "STRING", "EQUALS", matchValueString="a", matchValueStringList=["a"]),
            "matchValueString",
        ),
        (claim("a", "STRING_ARRAY", "CONTAINS_ANY", matchValueString="a"), "StringList"),
        (claim("a", "STRING_ARRAY", "CONTAINS_ANY", matchValueStringList=[]), "needs a value"),
        (claim("a", "STRING_ARRAY", "CONTAINS_ANY", matchValueStringList="ab"), "needs a value"),
        (claim("a", "STRING_ARRAY", "CONTAINS_ANY", matchValueStringList=["a", 7]), "letters"),
        (claim("a", "STRING", "EQUALS", matchValueString=""), "letters"),
        (claim("a", "STRING", "EQUALS", matchValueString="a b"), "letters"),
        (claim("a", "STRING", "EQUALS", matchValueString=7), "letters"),
    ],
)
def test_a_custom_claim_of_another_shape_is_refused_and_counted(wrong: Any, said: str) -> None:
    reasons = refused(configured(custom_claims=(EQUALS, wrong)))

    assert reasons["custom_claims"].startswith("Claim 2: ")
    assert said in reasons["custom_claims"]


def test_every_reason_is_told_at_once() -> None:
    asked = configured(url="", discovery_url="", allowed_scopes=("a b",), header_allowlist=("Via",))

    assert set(refused(asked)) == {"url", "discovery_url", "allowed_scopes", "header_allowlist"}


def test_an_authorizer_is_not_dropped_without_saying_so() -> None:
    before = configured()
    after = replace(before, auth_mode="SIGV4", discovery_url="", allowed_clients=())

    assert "Tick this" in refused(after, before=before)["may_drop_authorizer"]
    configuration.check(after, before=before, may_drop_authorizer=True)
    configuration.check(after, before=after)
    configuration.check(before, before=after)


@pytest.mark.parametrize(
    ("url", "changed"),
    [
        ("https://agent.example/mcp", {}),
        ("https://agent.example/invocations", {"protocol": "MCP"}),
        ("https://agent.example/a/", {"protocol": "A2A"}),
        ("https://agent.example/invocations", {"path": "/run"}),
    ],
)
def test_what_another_protocol_or_path_adds_may_stand_in_a_url(
    url: str, changed: dict[str, Any]
) -> None:
    configuration.check(configured(url=url, **changed))


def test_a_claim_may_be_named_as_a_url_as_some_issuers_do() -> None:
    named = claim("https://idp.example/roles", "STRING", "EQUALS", matchValueString="a")

    configuration.check(configured(custom_claims=(named,)))


def test_other_claims_for_the_client_want_a_client_to_compare_them_with() -> None:
    asked = configured(allowed_clients=(), allowed_scopes=("a",), client_claims=("azp",))

    assert "allowed clients" in refused(asked)["client_claims"]


def test_only_an_allowed_scope_is_advertised_and_by_what_can_be_one() -> None:
    asked = configured(allowed_scopes=("call",), advertised_scopes={"call": "a b", "other": "x"})

    reasons = configuration_reasons(asked, "advertised_scopes")

    assert len(reasons) == 2
    many = {f"s{n}": "x" for n in range(51)}
    assert (
        "At most 50"
        in refused(configured(allowed_scopes=tuple(many), advertised_scopes=many))[
            "advertised_scopes"
        ]
    )


def configuration_reasons(asked: Configuration, field: str) -> list[str]:
    with pytest.raises(ConfigurationRefused) as caught:
        configuration.check(asked)
    return [str(error.message) for error in caught.value.fields if error.name == field]


@pytest.mark.django_db
def test_only_workload_identities_that_are_there_may_call_for_others() -> None:
    WorkloadIdentity.objects.create(name="concierge-workload")
    configuration.check(configured(allowed_workloads=("concierge-workload",)))

    asked = configured(allowed_workloads=("concierge-workload", "concierge-wrkload"))
    assert "“concierge-wrkload”" in refused(asked)["allowed_workloads"]
    twice = configured(allowed_workloads=("concierge-workload",) * 2)
    assert "twice" in refused(twice)["allowed_workloads"]
    many = configuration_reasons(
        configured(allowed_workloads=("concierge-workload",) * 11), "allowed_workloads"
    )
    assert "At most 10" in many[0]


@pytest.mark.parametrize(
    ("changed", "base", "upstream"),
    [
        ({}, "http://127.0.0.1:8080", "http://127.0.0.1:8080/invocations"),
        ({"protocol": "AGUI"}, "http://127.0.0.1:8080", "http://127.0.0.1:8080/invocations"),
        ({"url": "https://a.example/x/"}, "https://a.example/x", "https://a.example/x/invocations"),
        (
            {"url": "https://a.example/x/", "protocol": "MCP", "port": 8000},
            "https://a.example:8000/x",
            "https://a.example:8000/x/mcp",
        ),
        (
            {"url": "https://a.example:9000", "protocol": "A2A", "port": 9000},
            "https://a.example:9000",
            "https://a.example:9000/",
        ),
        (
            {"url": "http://[::1]", "port": 8080, "path": "/run"},
            "http://[::1]:8080",
            "http://[::1]:8080/run",
        ),
    ],
)
def test_where_a_call_goes(changed: dict[str, Any], base: str, upstream: str) -> None:
    version = AgentVersion(**configured(**changed).columns())

    assert (version.base_url, version.upstream_url) == (base, upstream)


def test_the_gateway_and_the_rules_mean_the_same_paths() -> None:
    spoken = {"HTTP": http, "AGUI": agui, "MCP": mcp, "A2A": a2a}

    assert {name: room.PROTOCOL.path for name, room in spoken.items()} == AgentVersion.PATHS
