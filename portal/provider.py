"""The identity provider that people sign in with, as its own metadata describes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from core import http, jose, oauth
from core.secret import Secret
from portal.errors import ProviderAway, ProviderMisconfigured


def documents() -> jose.Documents:
    """Return the provider's metadata and keys (OpenID Connect Discovery 1.0 section 4).

    Raises:
        ProviderAway: they cannot be had, and none are cached.
        ProviderMisconfigured: they are another issuer's (section 4.3).
    """
    try:
        found = issuer().documents_sync()
    except jose.IssuerUnavailable as exc:
        raise ProviderAway(detail=exc.detail) from None
    if found.issuer != settings.OIDC_ISSUER:
        raise ProviderMisconfigured(
            detail=f"OIDC_ISSUER is {settings.OIDC_ISSUER!r}, its metadata says {found.issuer!r}"
        )
    return found


def issuer() -> jose.Issuer:
    """Return this process's view of the provider."""
    return jose.issuer_at(jose.discovery_url_of(settings.OIDC_ISSUER))


def endpoint(name: str) -> str | None:
    """Return the URL that the metadata gives as `name`, or None where it gives none.

    Raises:
        ProviderAway, ProviderMisconfigured: as `documents`; or it is no URL to send a browser to.
    """
    url = documents().endpoint(name)
    if url is None:
        return None
    try:
        http.check_url(url)
    except http.HttpRefused as exc:
        raise ProviderMisconfigured(detail=f"{name}: {exc.detail}") from None
    return url


def required_endpoint(name: str) -> str:
    """Return the URL of `name`, without which nobody can sign in. Raises as `endpoint`."""
    url = endpoint(name)
    if url is None:
        raise ProviderMisconfigured(detail=f"the metadata has no {name}")
    return url


def announces(name: str) -> bool:
    """Say whether the metadata has the boolean `name` set. Raises as `documents`."""
    return documents().metadata.get(name) is True


def client() -> oauth.Client:
    """Return how this site names itself to the provider. Raises as `documents`."""
    return oauth.Client(
        id=settings.OIDC_RP_CLIENT_ID,
        secret=Secret(settings.OIDC_RP_CLIENT_SECRET),
        auth=_client_auth(documents().metadata.get("token_endpoint_auth_methods_supported")),
    )


def origin_of(url: str) -> str:
    """Return the origin of an https or http URL, as a Content-Security-Policy names it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _client_auth(supported: Any) -> oauth.ClientAuth:
    """Return the method to use; unstated, it is Basic (Discovery 1.0 section 3)."""
    methods: Sequence[Any] = supported if isinstance(supported, list) else ()
    if "client_secret_basic" not in methods and "client_secret_post" in methods:
        return "client_secret_post"
    return "client_secret_basic"
