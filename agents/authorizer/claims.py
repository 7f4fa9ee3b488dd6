"""What the claims of a token say. One of a type that it should not have says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.identity_providers import groups_here

CLIENT_ID = "client_id"


def texts(value: Any) -> tuple[str, ...]:
    """Return a string or a list of strings as strings; anything else, a mixed list too, is none."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return ()


def scopes_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the scopes of a token: `scope` (RFC 9068 section 2.2.3), or `scp` as some issue it."""
    found: list[str] = []
    for name in ("scope", "scp"):
        value = claims.get(name)
        found += value.split(" ") if isinstance(value, str) else texts(value)
    return tuple(scope for scope in found if scope)


def groups_of(claims: Mapping[str, Any], claim_name: str) -> frozenset[str] | None:
    """Return the groups that a token names, by the names that they have here.

    None: it says nothing of groups.
    """
    if claim_name not in claims:
        return None
    value = claims[claim_name]
    named = value if isinstance(value, list) else [value]
    said = (item for item in named if isinstance(item, str))
    return groups_here(said, iss=claims.get("iss"))


def client_of(claims: Mapping[str, Any], client_claims: tuple[str, ...] = ()) -> str:
    """Return the client that a token was issued to, or the empty string.

    The first of `client_id` and `client_claims` that stands in the token names it, and it alone:
    where two of them differ, which one is right is anybody's guess.
    """
    for name in (CLIENT_ID, *client_claims):
        if name in claims:
            value = claims[name]
            return value if isinstance(value, str) else ""
    return ""
