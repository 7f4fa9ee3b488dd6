"""The kinds of authorizers that the tokens are shown to, alone and together."""

from __future__ import annotations

from typing import Any


def claim(name: str, kind: str, operator: str, **value: Any) -> dict[str, Any]:
    return {
        "inboundTokenClaimName": name,
        "inboundTokenClaimValueType": kind,
        "authorizingClaimMatchValue": {"claimMatchOperator": operator, "claimMatchValue": value},
    }


_DEPARTMENT = claim("department", "STRING", "EQUALS", matchValueString="support")
_TEAMS = claim("teams", "STRING_ARRAY", "CONTAINS", matchValueString="a")
_ROLES = claim("roles", "STRING_ARRAY", "CONTAINS_ANY", matchValueStringList=["x", "y"])
_AUDIENCES = ("daiko", "api://agents")
_CLIENTS = ("portal", "cli")
_SCOPES = ("agents", "agents:all")

RULES: dict[str, dict[str, Any]] = {
    "client": {"allowed_clients": _CLIENTS},
    "audience": {"allowed_audience": _AUDIENCES},
    "scope": {"allowed_scopes": _SCOPES},
    "equals": {"custom_claims": (_DEPARTMENT,)},
    "contains": {"custom_claims": (_TEAMS,)},
    "contains any": {"custom_claims": (_ROLES,)},
    "three claims": {"custom_claims": (_DEPARTMENT, _TEAMS, _ROLES)},
    "azp": {"allowed_clients": _CLIENTS, "client_claims": ("azp",)},
    "any client claim": {"allowed_clients": _CLIENTS, "client_claims": ("azp", "appid", "cid")},
    "audience and client": {"allowed_audience": _AUDIENCES, "allowed_clients": _CLIENTS},
    "client and scope": {"allowed_clients": _CLIENTS, "allowed_scopes": _SCOPES},
    "everything": {
        "allowed_audience": _AUDIENCES,
        "allowed_clients": _CLIENTS,
        "allowed_scopes": _SCOPES,
        "custom_claims": (_DEPARTMENT, _TEAMS, _ROLES),
    },
}
MET: dict[str, Any] = {"department": "support", "teams": ["a", "b"], "roles": ["y", "z"]}
