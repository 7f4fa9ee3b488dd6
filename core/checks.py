"""System checks: a configuration that is wrong or unsafe does not start."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from core import keyring

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_MIN_SECRET_KEY_CHARS = 50


@register()
def key_ring(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a key ring that does not parse."""
    try:
        keyring.current()
    except ImproperlyConfigured as exc:
        hint = "VAULT_KEYS=id:base64 of 32 random bytes, newest first, separated by commas."
        return [Error(str(exc), hint=hint, id="daiko.E001")]
    return []


@register()
def site_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a site that sends its cookies in clear across a network."""
    parts = urlsplit(settings.SITE_URL)
    if parts.scheme == "https" and parts.hostname:
        return []
    if parts.scheme == "http" and parts.hostname in _LOCAL:
        return []
    hint = "Use https, or http on localhost for development."
    return [Error(f"SITE_URL is {settings.SITE_URL!r}", hint=hint, id="daiko.E002")]


@register()
def secret_key(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a SECRET_KEY that could be guessed."""
    if len(settings.SECRET_KEY) >= _MIN_SECRET_KEY_CHARS:
        return []
    hint = f"Use at least {_MIN_SECRET_KEY_CHARS} random characters."
    return [Error("SECRET_KEY is too short", hint=hint, id="daiko.E003")]


@register()
def private_hosts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a wildcard among the private hosts that outbound requests may reach."""
    wrong = [host for host in settings.DAIKO_ALLOWED_PRIVATE_HOSTS if "*" in host or "/" in host]
    if not wrong:
        return []
    hint = "List host names one by one, without scheme, port or wildcard."
    return [Error(f"DAIKO_ALLOWED_PRIVATE_HOSTS holds {wrong}", hint=hint, id="daiko.E004")]
