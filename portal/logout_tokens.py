"""The logout token: the provider says that somebody's session is over there.

OpenID Connect Back-Channel Logout 1.0 section 2.6, each of its steps a function of its own, tried
in order once the signature is known to be the provider's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core import jose
from core.identity_providers import IdentityProvider
from core.secret import Secret
from portal import provider
from portal.claims import (
    LEEWAY_S,
    audience_problem,
    is_name,
    issuer_problem,
    times_problem,
)
from portal.errors import LogoutRefused

_EVENT = "http://schemas.openid.net/event/backchannel-logout"
# Section 2.4 recommends the explicit type and does not require it. No other kind of token passes.
_TYPES = {"", "jwt", "logout+jwt", "application/logout+jwt"}
# Its id is kept for as long as it is good. Two minutes are what section 2.4 has in mind.
_LONGEST_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class VerifiedLogout:
    """Whose session is over, or which one, or both. Only `verify` makes one."""

    iss: str
    sub: str
    sid: str
    once: str  # a name for this very token
    forget_at: datetime


@dataclass(frozen=True, slots=True)
class _Question:
    header: dict[str, Any]
    claims: jose.Claims
    provider: IdentityProvider
    now: float  # epoch seconds


def _type(asked: _Question) -> str | None:
    known = str(asked.header.get("typ", "")).lower() in _TYPES
    return None if known else "not_a_logout_token"


def _issuer(asked: _Question) -> str | None:
    return issuer_problem(asked.claims, asked.provider.issuer)


def _audience(asked: _Question) -> str | None:
    return audience_problem(asked.claims, asked.provider.client_id)


def _times(asked: _Question) -> str | None:
    return times_problem(asked.claims, asked.now)


def _lifetime(asked: _Question) -> str | None:
    return "lives_too_long" if asked.claims["exp"] - asked.now > _LONGEST_S else None


def _event(asked: _Question) -> str | None:
    events = asked.claims.get("events")
    is_logout = isinstance(events, dict) and isinstance(events.get(_EVENT), dict)
    return None if is_logout else "no_logout_event"


def _no_nonce(asked: _Question) -> str | None:
    """An ID token has one: it must not pass for a logout token."""
    return "nonce_present" if "nonce" in asked.claims else None


def _whose(asked: _Question) -> str | None:
    named = [asked.claims[name] for name in ("sub", "sid") if name in asked.claims]
    return None if named and all(is_name(value) for value in named) else "no_subject_or_session"


def _id(asked: _Question) -> str | None:
    return None if is_name(asked.claims.get("jti")) else "no_token_id"


_CHECKS: tuple[Callable[[_Question], str | None], ...] = (
    _type, _issuer, _audience, _times, _lifetime, _event, _no_nonce, _whose, _id,
)  # fmt: skip


def verify(unverified_token: Secret, *, of: IdentityProvider, now: float) -> VerifiedLogout:
    """Return what a token of that provider says is over. It may have come before.

    Raises:
        LogoutRefused: the first check that is not passed.
        ProviderAway, ProviderMisconfigured: the provider's keys cannot be had.
    """
    provider.documents(of)  # which refuses those of another
    try:
        token = jose.parse(unverified_token.reveal())
        claims = jose.check_signature(token, provider.issuer(of).key_sync(token.kid))
    except jose.TokenRejected as exc:
        raise LogoutRefused(exc.code, detail=exc.detail) from None
    asked = _Question(token.header, claims, of, now)
    for check in _CHECKS:
        code = check(asked)
        if code is not None:
            raise LogoutRefused(code)
    return VerifiedLogout(
        iss=of.issuer,
        sub=claims.get("sub", ""),
        sid=claims.get("sid", ""),
        once=hashlib.sha256(f"{of.issuer} {claims['jti']}".encode()).hexdigest(),
        forget_at=datetime.fromtimestamp(claims["exp"] + LEEWAY_S, UTC),
    )
