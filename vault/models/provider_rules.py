"""What a provider's fields have to say together, told field by field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from core import http
from vault.vendors.vendor import Place

if TYPE_CHECKING:
    from vault.models.providers import CredentialProvider

_ENDPOINTS = ("issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint")
_ASKED = ("issuer", "authorization_endpoint", "token_endpoint")
_URLS = ("discovery_url", *_ENDPOINTS, "account_url")
_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


def problems_of(provider: CredentialProvider) -> dict[str, list[str]]:
    """Return what is wrong with `provider`, by the name of the field; nothing is an empty dict."""
    found: dict[str, list[str]] = {}
    for name, problem in (
        *_unreachable(provider),
        *_unwanted(provider),
        *_missing(provider),
        *_unusable(provider),
    ):
        found.setdefault(name, []).append(problem)
    return found


def _unreachable(provider: CredentialProvider) -> list[tuple[str, str]]:
    found = []
    for name in _URLS:
        url = getattr(provider, name)
        try:
            if url:
                http.check_url(url)
        except http.HttpRefused as exc:
            found.append((name, str(exc.message)))
    return found


def _unwanted(provider: CredentialProvider) -> list[tuple[str, str]]:
    place = provider.traits.place
    told = {}
    if provider.discovery_url:
        told = dict.fromkeys(_ENDPOINTS, _("Leave this empty: the discovery URL tells it."))
    if place is not Place.CUSTOM:
        told["discovery_url"] = _("Leave this empty: this vendor needs none.")
    if place is not Place.TENANT:
        told["tenant_id"] = _("Leave this empty: this vendor has no tenants.")
    if provider.client_auth != provider.Authentication.PRIVATE_KEY_JWT:
        told["private_key_source"] = _("Only for authentication by an assertion.")
    return [(name, why) for name, why in told.items() if getattr(provider, name)]


def _missing(provider: CredentialProvider) -> list[tuple[str, str]]:
    place = provider.traits.place
    needed: tuple[str, ...] = ()
    if place is Place.CUSTOM:
        needed = () if provider.discovery_url else _ASKED
    elif provider.authorization_endpoint or provider.token_endpoint:
        needed = _ASKED
    elif place is Place.OWN_ISSUER:
        needed = ("issuer",)
    why = _("Needed where there is no discovery URL.") if place is Place.CUSTOM else _("Needed.")
    found = [(name, why) for name in needed if not getattr(provider, name)]
    if not provider.client_id and provider.obo_client_auth != provider.OboAuthentication.NO_CLIENT:
        found.append(("client_id", _("This field cannot be blank.")))
    return found


def _unusable(provider: CredentialProvider) -> list[tuple[str, str]]:
    found = []
    if provider.discovery_url and "/.well-known/" not in provider.discovery_url:
        found.append(("discovery_url", _("A discovery URL contains /.well-known/.")))
    if provider.tenant_id and not _TENANT.fullmatch(provider.tenant_id):
        found.append(("tenant_id", _("A tenant is an id or a domain name.")))
    if provider.response_types and "code" not in provider.response_types:
        found.append(("response_types", _("People are asked by the response type “code”.")))
    return found
