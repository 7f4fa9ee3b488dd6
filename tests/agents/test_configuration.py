from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bedrock_agentcore.runtime.models import RESTRICTED_HEADERS

from agents import configuration
from agents.configuration import Configuration, ConfigurationRefused
from agents.gateway.headers import may_be_allowed
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
    ],
)
def test_a_rule_that_would_not_be_applied_is_not_stored(kept: dict[str, Any]) -> None:
    asked = configured(auth_mode="SIGV4", **{"discovery_url": "", "allowed_clients": (), **kept})

    assert set(refused(asked)) == set(kept)


@pytest.mark.parametrize("added", ["/invocations", "/invocations/", "/ping"])
def test_a_url_does_not_hold_what_is_added_to_it(added: str) -> None:
    reason = refused(configured(url=f"https://agent.example/one{added}"))["url"]

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
