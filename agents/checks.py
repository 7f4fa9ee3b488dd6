"""System checks of the settings that this app reads."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from core import http

_REGION = re.compile(r"[a-z0-9-]{1,32}")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")


@register()
def arn_parts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a region or an account of which no ARN can be made."""
    found: list[CheckMessage] = []
    if not _REGION.fullmatch(settings.AWS_REGION):
        hint = "It stands in every ARN and signature, as in us-east-1."
        found.append(Error(f"AWS_REGION is {settings.AWS_REGION!r}", hint=hint, id="daiko.E005"))
    if not _ACCOUNT_ID.fullmatch(settings.DAIKO_ACCOUNT_ID):
        hint = "Use twelve digits; they stand in every ARN."
        told = f"DAIKO_ACCOUNT_ID is {settings.DAIKO_ACCOUNT_ID!r}"
        found.append(Error(told, hint=hint, id="daiko.E006"))
    return found


@register()
def trusted_issuers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse an issuer that could never be asked for its keys."""
    found: list[CheckMessage] = []
    for issuer in settings.DAIKO_TRUSTED_ISSUERS:
        try:
            http.check_url(issuer)
        except http.HttpRefused as exc:
            told = f"DAIKO_TRUSTED_ISSUERS holds {issuer!r}: {exc.message}"
            hint = "List issuers as their metadata names them, separated by commas."
            found.append(Error(told, hint=hint, id="daiko.E007"))
    return found
