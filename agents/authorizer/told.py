"""What the audit trail keeps of a refused token: enough to explain it later, and no more.

Never the token, and of the person nothing but what the trail says of them anyway: what a custom
claim holds stays out, and so does the subject. What a stranger wrote is cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agents.authorizer.checks import Check
from agents.authorizer.claims import scopes_of, texts
from agents.authorizer.evidence import Evidence

_MAX_CHARS = 120
_MAX_ITEMS = 12
# Claims that may name the client; the first is the one that AWS looks at.
_CLIENTS = ("client_id", "azp", "appid", "cid")
_ID_TOKENS_ONLY = ("nonce", "at_hash", "c_hash")
_KINDS = {
    **{"id": "id", "access": "access"},  # Cognito's token_use
    **{"ID": "id", "Bearer": "access", "Refresh": "refresh", "Logout": "logout"},  # Keycloak's typ
}


def told_of(check: Check, evidence: Evidence) -> dict[str, Any]:
    """Return what the trail keeps where `check` refuses."""
    expected, found = check.compared(evidence)
    if check.personal:
        found = [_shape(item) for item in found]
    return {
        "check": check.name,
        "expected": cut(expected),
        "found": cut(found),
        "token": summary_of(evidence),
    }


def summary_of(evidence: Evidence) -> dict[str, Any]:
    """Return what a token says of itself, unverified, without the person."""
    header, claims = evidence.header, evidence.claims
    if evidence.token is None and not claims:
        return {}
    said: dict[str, Any] = {"kind": kind_of(header, claims)}
    for name in ("alg", "typ", "kid"):
        if isinstance(header.get(name), str):
            said[name] = cut([header[name]])
    for name in ("iss", "aud", *_CLIENTS):
        if named := texts(claims.get(name)):
            said[name] = cut(named)
    if scopes := scopes_of(claims):
        said["scope"] = cut(scopes)
    return said


def kind_of(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return which kind of token it most likely is: id, access, refresh, logout; or unknown."""
    if str(header.get("typ", "")).lower().endswith("at+jwt"):
        return "access"
    for name in ("token_use", "typ"):
        value = claims.get(name)
        if isinstance(value, str) and value in _KINDS:
            return _KINDS[value]
    if any(name in claims for name in _ID_TOKENS_ONLY):
        return "id"
    return "access" if any(name in claims for name in ("scope", "scp", "client_id")) else "unknown"


def _shape(item: str) -> str:
    """Return which claim stood there, without what it held."""
    name, said, _value = item.partition(": ")
    return f"{name}: …" if said else "…"


def cut(items: Iterable[str]) -> list[str]:
    return [_printable(item) for item in list(items)[:_MAX_ITEMS]]


def _printable(text: str) -> str:
    cut = text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS - 1] + "…"
    return "".join(char if char.isprintable() else "\ufffd" for char in cut)
