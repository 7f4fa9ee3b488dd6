"""What an authorizer asks of a token."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from core import jose

Operator = Literal["EQUALS", "CONTAINS", "CONTAINS_ANY"]


@dataclass(frozen=True, slots=True)
class CustomClaim:
    """One claim that a token must carry, in the terms of `customClaims` of the wire API."""

    name: str
    operator: Operator
    values: tuple[str, ...]

    def is_met_by(self, claims: jose.Claims) -> bool:
        """Say whether `claims` has what this asks for; a claim of another type has not."""
        value = claims.get(self.name)
        if self.operator == "EQUALS":
            return isinstance(value, str) and value == self.values[0]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return False
        if self.operator == "CONTAINS":
            return self.values[0] in value
        return any(wanted in value for wanted in self.values)

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {', '.join(self.values)}"


@dataclass(frozen=True, slots=True)
class Authorizer:
    """The rule that a caller's token must pass. All kinds that are configured must pass.

    `client_claims` are claims that may name the client where `client_id`, which comes first, does
    not stand. AWS knows `client_id` alone.
    """

    discovery_url: str
    allowed_audience: frozenset[str] = frozenset()
    allowed_clients: frozenset[str] = frozenset()
    allowed_scopes: frozenset[str] = frozenset()
    custom_claims: tuple[CustomClaim, ...] = ()
    client_claims: tuple[str, ...] = ()


def custom_claims_from(configured: Iterable[dict[str, Any]]) -> tuple[CustomClaim, ...]:
    """Return the custom claims of an authorizer from their wire shape (`customClaims`)."""
    found = []
    for entry in configured:
        match = entry["authorizingClaimMatchValue"]
        value = match["claimMatchValue"]
        values = value.get("matchValueStringList") or [value["matchValueString"]]
        found.append(
            CustomClaim(entry["inboundTokenClaimName"], match["claimMatchOperator"], tuple(values))
        )
    return tuple(found)
