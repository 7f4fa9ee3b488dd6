"""Whose tokens this site takes where no agent's own rule applies.

The wire API has no parameter that says so, and a service that takes any issuer's word can be told
anything, and be made to fetch anything. So: the issuers that `DAIKO_TRUSTED_ISSUERS` lists, and
those of the authorizers in force.
"""

from __future__ import annotations

from django.conf import settings
from django.db.models import Max, OuterRef, Q, Subquery

from agents import authorizer
from agents.authorizer import Authorizer, TokenRefused, VerifiedCaller
from agents.models import AgentVersion
from core import http, jose
from core.recent import Recent, by_orm

_MAX_ISSUER_CHARS = 512


async def verify(unverified_token: str) -> VerifiedCaller:
    """Return the person whom a token of a trusted issuer stands for; any audience and client.

    Raises:
        TokenRefused: another issuer's, or not good by what every authorizer asks for.
        IssuerUnavailable: the issuer's keys cannot be had.
        RegistryUnavailable: the authorizers in force cannot be asked for.
    """
    issuer = _issuer_named_in(unverified_token)
    rule = _rule(issuer, await _discovery_urls.get(issuer))
    return await authorizer.verify(unverified_token, rule)


def verify_sync(unverified_token: str) -> VerifiedCaller:
    """Return what `verify` does, for a caller without an event loop.

    The query runs on the caller's own thread. The caller may be one of the few that the data plane
    has for queries; were it to wait for another of them, all could wait for each other.
    """
    issuer = _issuer_named_in(unverified_token)
    rule = _rule(issuer, _load(issuer))
    return http.run(authorizer.verify(unverified_token, rule))


def _issuer_named_in(unverified_token: str) -> str:
    try:
        issuer = jose.parse(unverified_token).claims.get("iss")
    except jose.TokenRejected as exc:
        raise authorizer.unparsable(exc) from None
    if isinstance(issuer, str) and len(issuer) <= _MAX_ISSUER_CHARS and issuer.isprintable():
        return issuer
    return ""


def _rule(issuer: str, discovery_url: str | None) -> Authorizer:
    if discovery_url is None:
        raise TokenRefused(
            "issuer_not_trusted",
            "OAuth authorization failed: Token issuer is not trusted. "
            + (f"It is {issuer}; " if issuer else "The token names none that could be; ")
            + "this site takes tokens of the issuers in DAIKO_TRUSTED_ISSUERS and of those that "
            "enabled agents are called with.",
            detail=f"iss {issuer[:200]!r}",
        )
    return Authorizer(discovery_url=discovery_url)


def forget() -> None:
    """Drop every copy of who is trusted."""
    _discovery_urls.forget()


def _load(issuer: str) -> str | None:
    """Return where a trusted issuer publishes its metadata, or None for one that is not trusted."""
    if not issuer:
        return None
    listed = {trusted.rstrip("/") for trusted in settings.DAIKO_TRUSTED_ISSUERS}
    if issuer.rstrip("/") in listed:
        return jose.discovery_url_of(issuer)
    newest = (
        AgentVersion.objects.filter(agent=OuterRef("agent"))
        .values("agent")
        .annotate(newest=Max("number"))
        .values("newest")
    )
    in_force = Q(number=Subquery(newest)) | Q(endpoints__isnull=False)
    return (
        AgentVersion.objects.filter(
            in_force,
            agent__enabled=True,
            auth_mode=AgentVersion.AuthMode.JWT,
            discovery_url__in=jose.discovery_urls_of(issuer),
        )
        .order_by("-pk")
        .values_list("discovery_url", flat=True)
        .first()
    )


_discovery_urls: Recent[str, str | None] = by_orm(_load)
