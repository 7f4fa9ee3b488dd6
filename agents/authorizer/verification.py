"""The way through the table, for whoever wants to be let in and for whoever wants to know why."""

from __future__ import annotations

import time
from collections.abc import Sequence

from agents.authorizer import checks
from agents.authorizer.checks import Check
from agents.authorizer.claims import client_of
from agents.authorizer.evidence import Evidence
from agents.authorizer.refusal import TokenRefused, VerifiedCaller
from agents.authorizer.rule import Authorizer
from agents.authorizer.told import told_of
from agents.authorizer.verified import VerifiedTokens
from core import jose
from core.subject import Subject

_verified = VerifiedTokens()


def forget() -> None:
    """Drop every token that this process has verified."""
    _verified.forget()


async def verify(unverified_token: str, rule: Authorizer) -> VerifiedCaller:
    """Return the caller whom a bearer token stands for (RFC 6750, RFC 7519, RFC 8725).

    The signature of a token is checked once a process, for as long as its key is published.

    Raises:
        TokenRefused: malformed, signed by nobody we know, or not meeting the authorizer's rule.
        jose.IssuerUnavailable: the issuer's keys cannot be had; nobody is let in.
    """
    now = time.time()
    known = _verified.get(unverified_token, rule.discovery_url)
    if known is not None:
        documents = await jose.issuer_at(rule.discovery_url).documents()
        if documents.key(known.token.kid) is known.key:
            claims = jose.Claims(known.token.claims)
            evidence = Evidence(rule, now, known.token, None, documents, known.key, claims)
            try:
                refuse(evidence, checks.EACH_TIME)
            except TokenRefused as exc:
                if exc.subject is None:  # it is not good any more, whatever the rule
                    _verified.drop(unverified_token, rule.discovery_url)
                raise
            return caller_of(evidence)
        _verified.drop(unverified_token, rule.discovery_url)
    evidence = Evidence.of(unverified_token, rule, now=now)
    refuse(evidence, checks.OF_ITSELF)
    await learn(evidence)
    refuse(evidence, checks.ONCE_LEARNED)
    assert evidence.key is not None  # noqa: S101  (for the type checker)
    _verified.put(evidence.parsed, evidence.key, rule.discovery_url)
    return caller_of(evidence)


async def learn(evidence: Evidence) -> None:
    """Learn of a token that can be read what its issuer publishes, and the key that it names.

    Raises:
        jose.IssuerUnavailable: the issuer's keys cannot be had.
    """
    issuer = jose.issuer_at(evidence.rule.discovery_url)
    evidence.documents = await issuer.documents()
    # Only a token of the issuer is a reason to ask it for a key that it may have rotated to.
    if evidence.claims.get("iss") == evidence.documents.issuer:
        evidence.key = await issuer.key(evidence.parsed.kid)


def refuse(evidence: Evidence, entries: Sequence[Check]) -> None:
    """Raise the first refusal of `entries`."""
    for check in entries:
        refusal = check.refusal(evidence)
        if refusal is not None:
            raise _with_reasons(refusal, check, evidence)


def _with_reasons(refusal: TokenRefused, check: Check, evidence: Evidence) -> TokenRefused:
    """Return the refusal with what the trail keeps, and whom a good token stands for."""
    if check in checks.OF_THE_RULE:
        documents = evidence.documents
        issuer = documents.issuer if documents else ""
        refusal.subject = Subject(issuer, evidence.claims["sub"])
    refusal.told.update(told_of(check, evidence))
    return refusal


def check_claims(
    claims: jose.Claims, rule: Authorizer, *, issuer: str, now: float
) -> VerifiedCaller:
    """Return the caller that signed `claims` stand for, at epoch seconds `now`.

    Raises:
        TokenRefused: the first check that is not passed.
    """
    documents = jose.Documents(issuer, {}, {}, 0.0)
    evidence = Evidence(rule, now, documents=documents, claims=claims)
    refuse(evidence, checks.EACH_TIME)
    return caller_of(evidence)


def caller_of(evidence: Evidence) -> VerifiedCaller:
    """Return whom a token stands for whose signature, times and subject are good."""
    assert evidence.documents is not None  # noqa: S101  (for the type checker)
    claims = evidence.claims
    return VerifiedCaller(
        subject=Subject(evidence.documents.issuer, claims["sub"]),
        client_id=client_of(claims, evidence.rule.client_claims),
        expires_at=float(claims["exp"]),
        claims=claims,
    )
