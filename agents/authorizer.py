"""The inbound authorizer: which tokens may call an agent.

Every check is a function of its own, tried in the order of `CHECKS`; the first that refuses ends
it. The outside learns the wire API's message; the audit trail learns the stable reason code.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from core import jose
from core.errors import AppError
from core.subject import Subject

LEEWAY_S = 60
_MAX_SUB_CHARS = 255

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


@dataclass(frozen=True, slots=True)
class Authorizer:
    """The rule that a caller's token must pass. All kinds that are configured must pass."""

    discovery_url: str
    allowed_audience: frozenset[str] = frozenset()
    allowed_clients: frozenset[str] = frozenset()
    allowed_scopes: frozenset[str] = frozenset()
    custom_claims: tuple[CustomClaim, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifiedCaller:
    """The person and client that a token stands for. Only `verify` makes one."""

    subject: Subject
    client_id: str
    expires_at: float  # epoch seconds
    claims: jose.Claims


class TokenRefused(AppError):
    """The token may not call this agent. `code` says why, for the audit trail.

    Where it is a good token and only the agent's rule refuses it, `subject` is the person whom it
    stands for, and `told` has what it says and what the rule allows.
    """

    status = 401
    aws = "UnauthorizedException"

    def __init__(self, code: str, message: str, *, status: int = 401, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.code = code
        self.status = status
        self.subject: Subject | None = None
        self.told: dict[str, Any] = {}
        if status == 403:  # noqa: PLR2004  (HTTP Forbidden)
            self.aws = "AccessDeniedException"


@dataclass(frozen=True, slots=True)
class _Question:
    claims: jose.Claims
    authorizer: Authorizer
    issuer: str
    now: float


Check = Callable[[_Question], TokenRefused | None]


def _issuer(asked: _Question) -> TokenRefused | None:
    if asked.claims.get("iss") == asked.issuer:
        return None
    return _mismatch("iss", "issuer_mismatch")


def _expiry(asked: _Question) -> TokenRefused | None:
    expires = jose.numeric_date(asked.claims.get("exp"))
    if expires is None:
        return TokenRefused("no_expiry", "OAuth authorization failed: Token has no expiry")
    if expires + LEEWAY_S <= asked.now:
        return TokenRefused("expired", "OAuth authorization failed: Token has expired")
    return None


def _not_yet(asked: _Question) -> TokenRefused | None:
    for name in ("nbf", "iat"):
        if name not in asked.claims:
            continue
        since = jose.numeric_date(asked.claims[name])
        if since is None or since - LEEWAY_S > asked.now:
            return TokenRefused(
                "not_yet_valid", "OAuth authorization failed: Token is not valid yet", detail=name
            )
    return None


def _subject(asked: _Question) -> TokenRefused | None:
    sub = asked.claims.get("sub")
    # Printable: no control character and no half of a surrogate pair, so that it is the same
    # subject in a header, in a column and in a log.
    if isinstance(sub, str) and 0 < len(sub) <= _MAX_SUB_CHARS and sub.isprintable():
        return None
    return TokenRefused("no_subject", "OAuth authorization failed: Token names no subject")


def _audience(asked: _Question) -> TokenRefused | None:
    allowed = asked.authorizer.allowed_audience
    if not allowed or allowed.intersection(_strings(asked.claims.get("aud"))):
        return None
    return _mismatch("aud", "audience_mismatch", allows=sorted(allowed))


def _client(asked: _Question) -> TokenRefused | None:
    allowed = asked.authorizer.allowed_clients
    client_id = asked.claims.get("client_id")
    if not allowed or (isinstance(client_id, str) and client_id in allowed):
        return None
    return _mismatch("client_id", "client_mismatch", allows=sorted(allowed))


def _scopes(asked: _Question) -> TokenRefused | None:
    allowed = asked.authorizer.allowed_scopes
    if not allowed or allowed.intersection(scopes_of(asked.claims)):
        return None
    return _mismatch("scope", "scope_mismatch", allows=sorted(allowed))


def _custom(asked: _Question) -> TokenRefused | None:
    for claim in asked.authorizer.custom_claims:
        if not claim.is_met_by(asked.claims):
            return _mismatch(
                claim.name,
                "custom_claim_mismatch",
                prefix="Authorization denied. ",
                allows=[f"{claim.name} {claim.operator} {', '.join(claim.values)}"],
            )
    return None


# Whether it is a good token of the issuer, naming a person; and then whether the rule takes it.
_GOOD: tuple[Check, ...] = (_issuer, _expiry, _not_yet, _subject)
_RULE: tuple[Check, ...] = (_audience, _client, _scopes, _custom)
CHECKS = (*_GOOD, *_RULE)


def check_claims(
    claims: jose.Claims, authorizer: Authorizer, *, issuer: str, now: float
) -> VerifiedCaller:
    """Return the caller that signed `claims` stand for, at epoch seconds `now`.

    Raises:
        TokenRefused: the first check that is not passed.
    """
    asked = _Question(claims, authorizer, issuer, now)
    for check in CHECKS:
        refusal = check(asked)
        if refusal is not None:
            if check in _RULE:
                refusal.subject = Subject(issuer, claims["sub"])
                refusal.told["token_client"] = _client_named_in(claims)
            raise refusal
    client_id = claims.get("client_id")
    return VerifiedCaller(
        subject=Subject(issuer, claims["sub"]),
        client_id=client_id if isinstance(client_id, str) else "",
        expires_at=float(claims["exp"]),
        claims=claims,
    )


async def verify(unverified_token: str, authorizer: Authorizer) -> VerifiedCaller:
    """Return the caller whom a bearer token stands for (RFC 6750, RFC 7519, RFC 8725).

    Raises:
        TokenRefused: malformed, signed by nobody we know, or not meeting the authorizer's rule.
        jose.IssuerUnavailable: the issuer's keys cannot be had; nobody is let in.
    """
    try:
        token = jose.parse(unverified_token)
    except jose.TokenRejected as exc:
        raise unparsable(exc) from None
    issuer = jose.issuer_at(authorizer.discovery_url)
    documents = await issuer.documents()
    try:
        claims = jose.check_signature(token, await issuer.key(token.kid))
    except jose.TokenRejected as exc:
        raise TokenRefused(
            exc.code, f"OAuth authorization failed: {exc.message}", detail=exc.detail
        ) from None
    return check_claims(claims, authorizer, issuer=documents.issuer, now=time.time())


def unparsable(exc: jose.TokenRejected) -> TokenRefused:
    """Return the refusal of what is no token at all; 403 for it is the real service's choice."""
    return TokenRefused(
        exc.code, f"OAuth authorization failed: {exc.message}", status=403, detail=exc.detail
    )


def scopes_of(claims: jose.Claims) -> tuple[str, ...]:
    """Return the scopes of a token: `scope` (RFC 9068 section 2.2.3), or `scp` as some issue it."""
    found: list[str] = []
    for name in ("scope", "scp"):
        value = claims.get(name)
        found += value.split(" ") if isinstance(value, str) else _strings(value)
    return tuple(scope for scope in found if scope)


def groups_of(claims: jose.Claims, claim_name: str) -> frozenset[str] | None:
    """Return the groups that a token names, or None where it says nothing of groups."""
    if claim_name not in claims:
        return None
    return frozenset(_strings(claims[claim_name]))


def _mismatch(
    claim: str, code: str, *, prefix: str = "", allows: list[str] | None = None
) -> TokenRefused:
    refusal = TokenRefused(code, f"{prefix}Claim '{claim}' value mismatch with configuration.")
    if allows is not None:
        refusal.told["agent_allows"] = allows
    return refusal


def _client_named_in(claims: jose.Claims) -> str:
    """Return the client that a token was issued to, by whichever claim names it, to read."""
    named = (claims.get(name) for name in ("client_id", "azp"))
    return next((name[:_MAX_SUB_CHARS] for name in named if isinstance(name, str) and name), "")


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


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
