"""The ID token: who signed in, said by the provider and believed only after every check.

OpenID Connect Core 1.0 section 3.1.3.7, each of its steps a function of its own, tried in order.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core import jose
from core.identity_providers import IdentityProvider
from core.secret import Secret
from core.subject import Subject
from portal import provider
from portal.claims import audience_problem, is_name, issuer_problem, times_problem
from portal.errors import SignInRefused

# RFC 9068 section 2.1: an access token says so, and must not pass for an ID token.
_NOT_ID_TOKENS = {"at+jwt", "application/at+jwt"}
# Of the algorithm's own hash. For EdDSA that is the one inside Ed25519.
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class VerifiedIdToken:
    """Who signed in, and what the provider says of them. Only `verify` makes one."""

    subject: Subject
    claims: jose.Claims
    provider: IdentityProvider  # which said so

    @property
    def sid(self) -> str:
        """Return the id of the session at the provider (Front-Channel Logout 1.0 section 3).

        Empty where it says none that could be kept: a later logout then names the person alone.
        """
        sid = self.claims.get("sid")
        return str(sid) if is_name(sid) else ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token is checked against.

    `nonce` is None for the ID token of a renewal, which has none (section 12.2).
    """

    provider: IdentityProvider
    nonce: str | None
    access_token: Secret
    now: float  # epoch seconds


@dataclass(frozen=True, slots=True)
class _Question:
    header: dict[str, Any]
    claims: jose.Claims
    expected: Expected


def _type(asked: _Question) -> str | None:
    return "not_an_id_token" if asked.header.get("typ") in _NOT_ID_TOKENS else None


def _issuer(asked: _Question) -> str | None:
    return issuer_problem(asked.claims, asked.expected.provider.issuer)


def _audience(asked: _Question) -> str | None:
    return audience_problem(asked.claims, asked.expected.provider.client_id)


def _times(asked: _Question) -> str | None:
    return times_problem(asked.claims, asked.expected.now)


def _nonce(asked: _Question) -> str | None:
    expected = asked.expected.nonce
    if expected is None:
        return None
    nonce = asked.claims.get("nonce")
    if isinstance(nonce, str) and hmac.compare_digest(nonce.encode(), expected.encode()):
        return None
    return "nonce_mismatch"


def _subject(asked: _Question) -> str | None:
    return None if is_name(asked.claims.get("sub")) else "no_subject"


def _access_token_hash(asked: _Question) -> str | None:
    """Section 3.1.3.6: the left half of the access token's hash, where the token has it."""
    if "at_hash" not in asked.claims:
        return None
    given = asked.claims["at_hash"]
    digest = _HASHES.get(str(asked.header.get("alg"))[-3:], hashlib.sha512)(
        asked.expected.access_token.reveal().encode()
    ).digest()
    wanted = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if isinstance(given, str) and hmac.compare_digest(given.encode(), wanted):
        return None
    return "access_token_mismatch"


_CHECKS: tuple[Callable[[_Question], str | None], ...] = (
    _type, _issuer, _audience, _times, _nonce, _subject, _access_token_hash,
)  # fmt: skip


def verify(unverified_token: Secret, expected: Expected) -> VerifiedIdToken:
    """Return who `unverified_token` says signed in.

    Raises:
        SignInRefused: the first check that is not passed.
        ProviderAway, ProviderMisconfigured: the provider's keys cannot be had, or are another's.
    """
    provider.documents(expected.provider)  # which refuses those of another
    try:
        token = jose.parse(unverified_token.reveal())
        claims = jose.check_signature(token, provider.issuer(expected.provider).key_sync(token.kid))
    except jose.TokenRejected as exc:
        raise SignInRefused(exc.code, detail=exc.detail) from None
    asked = _Question(token.header, claims, expected)
    for check in _CHECKS:
        code = check(asked)
        if code is not None:
            raise SignInRefused(code)
    subject = Subject(expected.provider.issuer, claims["sub"])
    return VerifiedIdToken(subject, claims, expected.provider)
