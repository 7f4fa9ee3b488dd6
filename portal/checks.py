"""System checks of the settings that this app reads."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from core import http, identity_providers


@register()
def identity_provider(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse an identity provider that could only be asked in clear, or not at all, or twice."""
    found: list[CheckMessage] = []
    issuers: set[str] = set()
    for one in identity_providers.every():
        variable = f"OIDC_{one.name.upper()}_ISSUER" if one.name else "OIDC_ISSUER"
        try:
            http.check_url(one.issuer)
        except http.HttpRefused as exc:
            told = f"{variable} is {one.issuer!r}: {exc.message}"
            hint = "Name the issuer as its metadata does; it has to be https."
            found.append(Error(told, hint=hint, id="daiko.E008"))
        if one.issuer.rstrip("/") in issuers:
            told = f"{variable} is {one.issuer!r}, as another provider's is."
            hint = "People are known by their issuer. Name each provider once."
            found.append(Error(told, hint=hint, id="daiko.E009"))
        issuers.add(one.issuer.rstrip("/"))
    return found
