"""An identity provider that people sign in with, as its own metadata describes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from core import http, identity_providers, jose, oauth
from core.identity_providers import IdentityProvider
from portal.errors import ProviderAway, ProviderGone, ProviderMisconfigured
from portal.models import SignIn


def of(signin: SignIn) -> IdentityProvider:
    """Return the provider that said who signed in, the only one that is asked about it.

    Raises:
        ProviderGone: the site does not name it any more.
    """
    found = identity_providers.of_issuer(signin.user.iss)
    if found is None:
        raise ProviderGone(detail=signin.user.iss)
    return found


def documents(asked: IdentityProvider) -> jose.Documents:
    """Return the provider's metadata and keys (OpenID Connect Discovery 1.0 section 4).

    Raises:
        ProviderAway: they cannot be had, and none are cached.
        ProviderMisconfigured: they are another issuer's (section 4.3).
    """
    try:
        found = issuer(asked).documents_sync()
    except jose.IssuerUnavailable as exc:
        raise ProviderAway(detail=exc.detail) from None
    if found.issuer != asked.issuer:
        raise ProviderMisconfigured(
            detail=f"the settings name {asked.issuer!r}, its metadata says {found.issuer!r}"
        )
    return found


def issuer(asked: IdentityProvider) -> jose.Issuer:
    """Return this process's view of the provider."""
    return jose.issuer_at(jose.discovery_url_of(asked.issuer))


def endpoint(asked: IdentityProvider, name: str) -> str | None:
    """Return the URL that the metadata gives as `name`, or None where it gives none.

    Raises:
        ProviderAway, ProviderMisconfigured: as `documents`; or it is no URL to send a browser to.
    """
    url = documents(asked).endpoint(name)
    if url is None:
        return None
    try:
        http.check_url(url)
    except http.HttpRefused as exc:
        raise ProviderMisconfigured(detail=f"{name}: {exc.detail}") from None
    return url


def required_endpoint(asked: IdentityProvider, name: str) -> str:
    """Return the URL of `name`, without which nobody can sign in. Raises as `endpoint`."""
    url = endpoint(asked, name)
    if url is None:
        raise ProviderMisconfigured(detail=f"the metadata has no {name}")
    return url


def announces(asked: IdentityProvider, name: str) -> bool:
    """Say whether the metadata has the boolean `name` set. Raises as `documents`."""
    return documents(asked).metadata.get(name) is True


def client(asked: IdentityProvider) -> oauth.Client:
    """Return how this site names itself to the provider. Raises as `documents`."""
    return oauth.Client(
        id=asked.client_id,
        secret=asked.client_secret,
        auth=_client_auth(documents(asked).metadata.get("token_endpoint_auth_methods_supported")),
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
