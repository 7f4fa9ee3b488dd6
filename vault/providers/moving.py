"""Pointing a provider at another server: neither its secret nor anybody's tokens go along.

Whoever may configure a provider may not thereby read what is kept for it, at a server of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from core import http
from vault.models import ConsentSession, CredentialProvider, Grant, ObtainedToken, Revocation

# What decides to which servers this site sends secrets.
_SENT_TO = ("discovery_url", "issuer", "token_endpoint", "revocation_endpoint")
_Status = ConsentSession.Status
_UNDER_WAY = (_Status.AUTHORIZING, _Status.EXCHANGING, _Status.EXCHANGED)


def servers_of(told: Mapping[str, Any]) -> frozenset[str]:
    """Return the servers that fields name, by host and port, to which secrets would be sent."""
    return frozenset(_server_of(told[name]) for name in _SENT_TO if told.get(name))


def _server_of(url: str) -> str:
    try:
        parsed = http.check_url(url)
    except http.HttpRefused:
        return url  # which is told of by its own field
    return f"{parsed.raw_host}:{parsed.port}"


def problems_of(
    known: CredentialProvider, told: Mapping[str, Any], *, secret_stays: bool
) -> dict[str, str]:
    """Return, by field, why the fields of `known` may not become `told`; empty: they may.

    Decisive only where the caller holds the row with its key, so that no grant is stored meanwhile.
    """
    before = servers_of(vars(known))
    moved = [name for name in _SENT_TO if told.get(name) and _server_of(told[name]) not in before]
    if not moved:
        return {}
    found = {}
    if secret_stays and known.has_secret:
        found["client_secret"] = _(
            "Give it anew: the one that is kept would be sent to another server."
        )
    if _keeps_tokens(known):
        found[moved[0]] = _(
            "Tokens are kept here that would be sent to another server. First switch this provider "
            "off and end all its access, and let it be told of that, or add the new server as a "
            "provider of its own."
        )
    return found


def _keeps_tokens(provider: CredentialProvider) -> bool:
    """Say whether anything is kept, under way, or still to be ended that was got there."""
    return any(
        rows.filter(provider=provider).exists()
        for rows in (
            Grant.objects.held(),
            ObtainedToken.objects.filter(access_sealed__isnull=False),
            ConsentSession.objects.filter(status__in=_UNDER_WAY),
            Revocation.objects.all(),
        )
    )
