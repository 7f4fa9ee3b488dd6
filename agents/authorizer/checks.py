"""The table: every check of a token, in the order in which they are tried.

A check says whether it refuses, which is all that the way to an agent pays for; what it compared is
another function, asked once it has refused, or by the explainer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agents.authorizer.claims import CLIENT_ID, client_of, scopes_of, texts
from agents.authorizer.evidence import Evidence
from agents.authorizer.refusal import PREFIX, TokenRefused, rejected, unparsable
from core import jose
from core.jose import keys, tokens

LEEWAY_S = 60
MAX_SUB_CHARS = 255
# What an issuer signs with the same key and is nobody's access: RFC 8725 section 3.11. What has no
# type, or one that nobody registered, may be an access token: many issuers say nothing, or "JWT".
_OTHER_TYPES = frozenset(
    {
        *("logout+jwt", "secevent+jwt", "token-introspection+jwt", "dpop+jwt", "kb+jwt"),
        *("oauth-authz-req+jwt", "client-authentication+jwt", "entity-statement+jwt"),
        *("trust-mark+jwt", "openid4vci-proof+jwt"),
    }
)
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

# What was expected, and what was found, as a reader would write it down.
Compared = tuple[list[str], list[str]]


@dataclass(frozen=True, slots=True)
class Check:
    """One entry of the table.

    `personal`: what it finds says something of the person, and does not go on record. `asked` says
    whether the rule asks for it at all.
    """

    name: str
    refusal: Callable[[Evidence], TokenRefused | None]
    compared: Callable[[Evidence], Compared]
    personal: bool = False
    asked: Callable[[Evidence], bool] = lambda evidence: True


def _found(evidence: Evidence, claim: str) -> list[str]:
    return shown(evidence.claims[claim]) if claim in evidence.claims else []


def shown(value: Any) -> list[str]:
    """Return a claim as it is read: each item of a list, and of what is nested only that it is."""
    return [_one(item) for item in value] if isinstance(value, list) else [_one(value)]


def _one(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return "[…]" if isinstance(value, list) else "{…}"
    return json.dumps(value)


def _date(value: Any) -> list[str]:
    seconds = jose.numeric_date(value)
    if seconds is None:
        return shown(value)
    try:
        return [f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"]
    except (OverflowError, ValueError):
        return shown(value)


# Of the token by itself


def _format(evidence: Evidence) -> TokenRefused | None:
    return unparsable(evidence.problem) if evidence.problem else None


def _algorithm(evidence: Evidence) -> TokenRefused | None:
    return _rejected(tokens.algorithm_problem(evidence.parsed))


def _critical(evidence: Evidence) -> TokenRefused | None:
    return _rejected(tokens.critical_problem(evidence.parsed))


def _rejected(problem: jose.TokenRejected | None) -> TokenRefused | None:
    return rejected(problem) if problem else None


def _type(evidence: Evidence) -> TokenRefused | None:
    typ = str(evidence.header.get("typ", "")).lower().removeprefix("application/")
    events = evidence.claims.get("events")
    if typ not in _OTHER_TYPES and not (isinstance(events, dict) and _LOGOUT_EVENT in events):
        return None
    return TokenRefused("type_not_allowed", f"{PREFIX}Token type is not allowed")


# Of whose it is


def _issuer(evidence: Evidence) -> TokenRefused | None:
    documents = evidence.documents
    if documents is not None and evidence.claims.get("iss") == documents.issuer:
        return None
    return _mismatch("iss", "issuer_mismatch")


def _key(evidence: Evidence) -> TokenRefused | None:
    return _rejected(tokens.key_problem(evidence.parsed, evidence.key))


def _use(evidence: Evidence) -> TokenRefused | None:
    key = evidence.key
    return _rejected(tokens.use_problem(evidence.parsed, key)) if key else _key(evidence)


def _signature(evidence: Evidence) -> TokenRefused | None:
    key = evidence.key
    return _rejected(tokens.signature_problem(evidence.parsed, key)) if key else _key(evidence)


def _keys_there(evidence: Evidence) -> list[str]:
    return sorted(evidence.documents.keys) if evidence.documents else []


def _key_there(evidence: Evidence) -> list[str]:
    return [keys.in_words(evidence.key)] if evidence.key else []


# Of when it is good, and for whom


def _expiry(evidence: Evidence) -> TokenRefused | None:
    expires = jose.numeric_date(evidence.claims.get("exp"))
    if expires is None:
        return TokenRefused("no_expiry", f"{PREFIX}Token has no expiry")
    if expires + LEEWAY_S <= evidence.now:
        return TokenRefused("expired", f"{PREFIX}Token has expired")
    return None


def _begins(claim: str) -> Callable[[Evidence], TokenRefused | None]:
    def refusal(evidence: Evidence) -> TokenRefused | None:
        if claim not in evidence.claims:
            return None
        since = jose.numeric_date(evidence.claims[claim])
        if since is not None and since - LEEWAY_S <= evidence.now:
            return None
        return TokenRefused("not_yet_valid", f"{PREFIX}Token is not valid yet", detail=claim)

    return refusal


def _subject(evidence: Evidence) -> TokenRefused | None:
    sub = evidence.claims.get("sub")
    # Printable: no control character and no half of a surrogate pair, so that it is the same
    # subject in a header, in a column and in a log.
    if isinstance(sub, str) and 0 < len(sub) <= MAX_SUB_CHARS and sub.isprintable():
        return None
    return TokenRefused("no_subject", f"{PREFIX}Token names no subject")


# Of what the agent's rule asks for


def _audience(evidence: Evidence) -> TokenRefused | None:
    allowed = evidence.rule.allowed_audience
    if not allowed or not allowed.isdisjoint(texts(evidence.claims.get("aud"))):
        return None
    return _mismatch("aud", "audience_mismatch")


def _client(evidence: Evidence) -> TokenRefused | None:
    rule = evidence.rule
    if not rule.allowed_clients:
        return None
    client = client_of(evidence.claims, rule.client_claims)
    if client and client in rule.allowed_clients:
        return None
    return _mismatch(CLIENT_ID, "client_mismatch")


def _clients_found(evidence: Evidence) -> list[str]:
    names = (CLIENT_ID, *evidence.rule.client_claims)
    return next((_found(evidence, name) for name in names if name in evidence.claims), [])


def _scopes(evidence: Evidence) -> TokenRefused | None:
    allowed = evidence.rule.allowed_scopes
    if not allowed or not allowed.isdisjoint(scopes_of(evidence.claims)):
        return None
    return _mismatch("scope", "scope_mismatch")


def _custom(evidence: Evidence) -> TokenRefused | None:
    for claim in evidence.rule.custom_claims:
        if not claim.is_met_by(evidence.claims):
            return _mismatch(claim.name, "custom_claim_mismatch", prefix="Authorization denied. ")
    return None


def _customs_compared(evidence: Evidence) -> Compared:
    """Return what the first claim that is not met asks for, and has; else all of them."""
    asked = evidence.rule.custom_claims
    unmet = [claim for claim in asked if not claim.is_met_by(evidence.claims)][:1]
    about = unmet or asked
    return [str(claim) for claim in about], [
        f"{claim.name}: {', '.join(_found(evidence, claim.name))}"
        for claim in about
        if claim.name in evidence.claims
    ]


def _mismatch(claim: str, code: str, *, prefix: str = "") -> TokenRefused:
    return TokenRefused(code, f"{prefix}Claim '{claim}' value mismatch with configuration.")


def _later(evidence: Evidence) -> list[str]:
    return [f"> {_date(evidence.now - LEEWAY_S)[0]}"]


def _not_later(evidence: Evidence) -> list[str]:
    return [f"\N{LESS-THAN OR EQUAL TO} {_date(evidence.now + LEEWAY_S)[0]}"]


# Each group needs what the one before has let through; all but the first, what is then learned.
OF_ITSELF: tuple[Check, ...] = (
    Check("format", _format, lambda e: ([], [e.problem.detail] if e.problem else [])),
    Check(
        "algorithm",
        _algorithm,
        lambda e: (list(jose.ALGORITHMS), shown(e.header["alg"]) if "alg" in e.header else []),
    ),
    Check(
        "critical",
        _critical,
        lambda e: ([], shown(e.header.get("crit", "b64")) if _critical(e) else []),
    ),
    Check("type", _type, lambda e: ([], shown(e.header["typ"]) if "typ" in e.header else [])),
)
OF_ITS_ISSUER: tuple[Check, ...] = (
    Check(
        "issuer",
        _issuer,
        lambda e: ([e.documents.issuer] if e.documents else [], _found(e, "iss")),
    ),
)
OF_ITS_KEY: tuple[Check, ...] = (
    Check("key", _key, lambda e: (_keys_there(e), [e.parsed.kid] if e.parsed.kid else [])),
    Check("key_use", _use, lambda e: (_key_there(e), shown(e.header.get("alg")))),
    Check("signature", _signature, lambda e: ([], [])),
)
OF_ITS_CLAIMS: tuple[Check, ...] = (
    Check(
        "expiry",
        _expiry,
        lambda e: (_later(e), _date(e.claims["exp"]) if "exp" in e.claims else []),
    ),
    Check(
        "not_before",
        _begins("nbf"),
        lambda e: (_not_later(e), _date(e.claims["nbf"]) if "nbf" in e.claims else []),
    ),
    Check(
        "issued_at",
        _begins("iat"),
        lambda e: (_not_later(e), _date(e.claims["iat"]) if "iat" in e.claims else []),
    ),
    Check("subject", _subject, lambda e: ([], _found(e, "sub")), personal=True),
)
OF_THE_RULE: tuple[Check, ...] = (
    Check(
        "audience",
        _audience,
        lambda e: (sorted(e.rule.allowed_audience), _found(e, "aud")),
        asked=lambda e: bool(e.rule.allowed_audience),
    ),
    Check(
        "client",
        _client,
        lambda e: (sorted(e.rule.allowed_clients), _clients_found(e)),
        asked=lambda e: bool(e.rule.allowed_clients),
    ),
    Check(
        "scopes",
        _scopes,
        lambda e: (sorted(e.rule.allowed_scopes), list(scopes_of(e.claims))),
        asked=lambda e: bool(e.rule.allowed_scopes),
    ),
    Check(
        "claims",
        _custom,
        _customs_compared,
        personal=True,
        asked=lambda e: bool(e.rule.custom_claims),
    ),
)
# What may change between two calls with the same token.
EACH_TIME = (*OF_ITS_ISSUER, *OF_ITS_CLAIMS, *OF_THE_RULE)
ONCE_LEARNED = (*OF_ITS_ISSUER, *OF_ITS_KEY, *OF_ITS_CLAIMS, *OF_THE_RULE)
