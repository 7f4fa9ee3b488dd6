"""Rows about what an agent's rule asks for; and tokens as well-known issuers make them."""

from __future__ import annotations

from typing import Any

from tests.agents.authorizer.rows import (
    AUDIENCE,
    CLIENT,
    LET_IN,
    SCOPE,
    In,
    Outcome,
    Row,
    claims,
    custom,
)
from tests.agents.authorizer.rules import MET


def each(rule: str, claim: str, *values: Any, outcome: Outcome, **others: Any) -> list[Row]:
    """One row for each value of one claim; the others are the same in all of them."""
    return [
        Row(f"{claim} {value!r}"[:60], rule, claims(**{**others, claim: value}), outcome)
        for value in values
    ]


def one(rule: str, outcome: Outcome, **changed: Any) -> Row:
    said = ", ".join(f"{name} {value!r}" for name, value in changed.items())
    return Row(said[:90] or "nothing else", rule, claims(**changed), outcome)


CLIENTS = [
    *each("client", "client_id", "portal", "cli", outcome=LET_IN),
    *each("client", "client_id", None, "", "other", "PORTAL", "portal ", "port", outcome=CLIENT),
    *each("client", "client_id", 7, True, ["portal"], {"portal": 1}, outcome=CLIENT),
    *each(
        "client", "client_id", "p\u043ertal", "portal\u200b", outcome=CLIENT
    ),  # a Cyrillic letter
    one("client", CLIENT, client_id=None, azp="portal"),
    one("client", CLIENT, client_id=None, appid="portal"),
    one("client", CLIENT, client_id=None, cid="portal"),
    one("client", CLIENT, client_id=None, aud="portal"),
    one("azp", LET_IN, client_id=None, azp="portal"),
    one("azp", LET_IN),
    one("azp", LET_IN, azp="other"),
    one("azp", CLIENT, client_id="other", azp="portal"),
    one("azp", CLIENT, client_id=7, azp="portal"),
    one("azp", CLIENT, client_id=None, azp=["portal"]),
    one("azp", CLIENT, client_id=None, azp=""),
    one("azp", CLIENT, client_id=None, appid="portal"),
    one("azp", CLIENT, client_id=None),
    one("any client claim", LET_IN, client_id=None, appid="cli"),
    one("any client claim", LET_IN, client_id=None, cid="cli"),
    one("any client claim", LET_IN, client_id=None, azp="cli", appid="other"),
    one("any client claim", CLIENT, client_id=None, azp="other", appid="cli"),
]
AUDIENCES = [
    *each("audience", "aud", "daiko", "api://agents", ["daiko"], outcome=LET_IN),
    *each("audience", "aud", ["other", "daiko"], ["daiko", "daiko"], outcome=LET_IN),
    *each("audience", "aud", None, "", "other", "DAIKO", "daiko/", "daiko ", outcome=AUDIENCE),
    *each("audience", "aud", [], ["other"], [["daiko"]], ["daiko", 7], outcome=AUDIENCE),
    *each("audience", "aud", 7, True, {}, {"daiko": True}, [None], outcome=AUDIENCE),
    *each("audience", "aud", "daiko api://agents", ["daiko", None], outcome=AUDIENCE),
    *each("audience", "client_id", None, "other", 7, outcome=LET_IN),
    *each("audience", "aud", ["x"] * 500, "daik\u00f6", outcome=AUDIENCE),
]
SCOPES = [
    *each("scope", "scope", "agents", "openid agents:all", " agents ", outcome=LET_IN),
    *each("scope", "scope", ["agents"], ["openid", "agents"], outcome=LET_IN),
    *each("scope", "scp", ["agents"], "x agents", "agents", outcome=LET_IN, scope=None),
    *each("scope", "scp", ["x"], "agents", outcome=LET_IN, scope="agents"),
    *each("scope", "scope", None, "", " ", "agents2", "AGENTS", "agents,x", outcome=SCOPE),
    *each("scope", "scope", 7, True, {"agents": 1}, [], ["x"], ["agents", 7], outcome=SCOPE),
    *each("scope", "scp", 7, [], ["x"], ["agents", 7], {}, outcome=SCOPE, scope=None),
    *each("scope", "scope", "agents:al", "x\tagents", "ágents", outcome=SCOPE),
    *each("scope", "roles", ["agents"], outcome=SCOPE, scope=None),
]
CLAIMS = [
    *each("equals", "department", "support", outcome=LET_IN),
    *each(
        "equals",
        "department",
        None,
        "",
        "other",
        "Support",
        "support ",
        outcome=custom("department"),
    ),
    *each("equals", "department", ["support"], 7, {}, True, outcome=custom("department")),
    *each("contains", "teams", ["a"], ["b", "a"], ["a", "a"], outcome=LET_IN),
    *each("contains", "teams", None, [], ["b"], ["A"], "a", "abc", outcome=custom("teams")),
    *each("contains", "teams", ["a", 7], [["a"]], {"a": 1}, 7, [None], outcome=custom("teams")),
    *each("contains any", "roles", ["x"], ["y", "z"], ["x", "y"], outcome=LET_IN),
    *each("contains any", "roles", None, [], ["w"], "x", ["x", 7], outcome=custom("roles")),
    one("three claims", LET_IN, **MET),
    one("three claims", custom("department"), **{**MET, "department": "x", "teams": []}),
    one("three claims", custom("teams"), **{**MET, "teams": [], "roles": []}),
    one("three claims", custom("roles"), **{**MET, "roles": ["w"]}),
]
TOGETHER = [
    one("audience and client", LET_IN),
    one("audience and client", AUDIENCE, aud="other"),
    one("audience and client", CLIENT, client_id="other"),
    one("audience and client", AUDIENCE, aud="portal", client_id="daiko"),
    one("client and scope", LET_IN),
    one("client and scope", CLIENT, client_id="other", scope="x"),
    one("client and scope", SCOPE, scope="x"),
    one("everything", LET_IN, **MET),
    one("everything", AUDIENCE, **{**MET, "aud": "x", "client_id": "x", "scope": "x"}),
    one("everything", CLIENT, **{**MET, "client_id": "x", "scope": "x"}),
    one("everything", SCOPE, **{**MET, "scope": "x", "department": "x"}),
    one("everything", custom("department"), **{**MET, "department": "x"}),
    one("everything", custom("department")),
]
# As these issuers write them; names and ids are made up.
_COGNITO: dict[str, Any] = {
    "aud": None,
    "scope": "aws.cognito.signin.user.admin agents",
    "token_use": "access",
    "origin_jti": "9c1f",
    "event_id": "7d2b",
    "version": 2,
    "auth_time": 1,
    "username": "alice",
    "cognito:groups": ["staff"],
}
_COGNITO_ID: dict[str, Any] = {
    **{"aud": "portal", "client_id": None, "scope": None, "token_use": "id", "at_hash": "x"},
    **{"email": "alice@example.com", "email_verified": True, "auth_time": 1},
}
_ENTRA_1: dict[str, Any] = {
    **{"aud": "api://agents", "client_id": None, "scope": None, "scp": "agents", "ver": "1.0"},
    **{"appid": "portal", "appidacr": "1", "oid": "1", "tid": "2", "nbf": In(-10)},
}
_ENTRA_2: dict[str, Any] = {
    **{"aud": "daiko", "client_id": None, "scope": None, "scp": "agents other", "ver": "2.0"},
    **{"azp": "portal", "azpacr": "1", "oid": "1", "tid": "2", "uti": "3", "rh": "4"},
}
_OKTA: dict[str, Any] = {
    **{"aud": "api://agents", "client_id": None, "scope": None, "scp": ["openid", "agents"]},
    **{"cid": "portal", "uid": "00u", "ver": 1, "auth_time": 1},
}
_KEYCLOAK: dict[str, Any] = {
    **{"aud": ["account", "daiko"], "client_id": None, "azp": "portal", "typ": "Bearer"},
    **{"realm_access": {"roles": ["x"]}, "sid": "1", "acr": "1", "scope": "email agents"},
}
_AUTH0: dict[str, Any] = {
    **{"aud": ["api://agents", "https://x.auth0.com/userinfo"], "client_id": None},
    **{"azp": "portal", "scope": "openid agents", "permissions": ["x"]},
}
ISSUERS = [
    one("client", LET_IN, **_COGNITO),
    one("scope", LET_IN, **_COGNITO),
    one("audience", AUDIENCE, **_COGNITO),
    one("audience and client", AUDIENCE, **_COGNITO),
    one("client", CLIENT, **_COGNITO_ID),
    one("scope", SCOPE, **_COGNITO_ID),
    one("audience", AUDIENCE, **_COGNITO_ID),
    *(
        row
        for token in (_ENTRA_1, _ENTRA_2, _OKTA, _KEYCLOAK, _AUTH0)
        for row in (
            one("audience", LET_IN, **token),
            one("scope", LET_IN, **token),
            one("any client claim", LET_IN, **token),
            one("client", CLIENT, **token),
        )
    ),
]
ROWS = [*CLIENTS, *AUDIENCES, *SCOPES, *CLAIMS, *TOGETHER, *ISSUERS]
