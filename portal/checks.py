"""System checks of the settings that this app reads."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from core import http


@register()
def identity_provider(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse an identity provider that could only be asked in clear, or not at all."""
    try:
        http.check_url(settings.OIDC_ISSUER)
    except http.HttpRefused as exc:
        told = f"OIDC_ISSUER is {settings.OIDC_ISSUER!r}: {exc.message}"
        hint = "Name the issuer as its metadata does; it has to be https."
        return [Error(told, hint=hint, id="daiko.E008")]
    return []
