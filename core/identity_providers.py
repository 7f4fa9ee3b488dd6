"""The identity providers that people sign in with, as the settings name them.

The first is that of `OIDC_ISSUER`; there may be further ones beside it. A person is `(iss, sub)`:
nobody is the same at two of them. Groups are names alone: what a further provider calls `admins` is
`partner:admins` here, after its own short name, and no other may say that of anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from core.secret import Secret

_OF = ":"  # between a further provider's name and that of a group


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """A provider, and this site's client there. `name` is empty for the first alone."""

    name: str
    label: str  # what people know it by
    issuer: str
    client_id: str
    client_secret: Secret
    scopes: str  # separated by blanks


def first() -> IdentityProvider:
    """Return the provider of `OIDC_ISSUER`."""
    return IdentityProvider(
        name="",
        label=settings.OIDC_LABEL,
        issuer=settings.OIDC_ISSUER,
        client_id=settings.OIDC_RP_CLIENT_ID,
        client_secret=Secret(settings.OIDC_RP_CLIENT_SECRET),
        scopes=settings.OIDC_RP_SCOPES,
    )


def every() -> tuple[IdentityProvider, ...]:
    """Return all of them, the first one first."""
    return (first(), *settings.OIDC_FURTHER)


def named(name: str) -> IdentityProvider | None:
    """Return the provider of that short name; None: there is none."""
    return next((one for one in every() if one.name == name), None)


def of_issuer(iss: str) -> IdentityProvider | None:
    """Return the provider that issues as `iss`; None: it is none of them, or none any more."""
    return next((one for one in every() if one.issuer == iss), None)


def groups_here(said: Iterable[str], *, iss: object) -> frozenset[str]:
    """Return by which names the groups that a token of `iss` names are known here.

    A provider may spell its own issuer in many ways, each with tokens that an agent takes: where it
    is says which one it is.
    """
    further: tuple[IdentityProvider, ...] = settings.OIDC_FURTHER
    place = _place_of(iss) if further and isinstance(iss, str) else None
    for one in further:
        if one.issuer == iss or (place is not None and _place_of(one.issuer) == place):
            return frozenset(f"{one.name}{_OF}{group}" for group in said)
    reserved = tuple(f"{one.name}{_OF}" for one in further)
    return frozenset(group for group in said if not group.startswith(reserved))


def _place_of(issuer: str) -> tuple[str, str | None, int | None, str] | None:
    """Return where an issuer's metadata are, in one spelling; None: it is no URL."""
    try:
        parts = urlsplit(issuer)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")
