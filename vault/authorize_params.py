"""Parameters of an authorization request that are not this site's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

# The flow's own parameters, and those that would change how or where the answer comes back, or put
# another request in its place (RFC 6749, 7636, 9101, 9126; OAuth 2.0 Multiple Response Types).
RESERVED = frozenset(
    {
        *("response_type", "response_mode", "client_id", "client_secret", "redirect_uri"),
        *("scope", "resource", "state", "nonce", "code", "request", "request_uri", "registration"),
        *("code_challenge", "code_challenge_method", "code_verifier"),
        *("client_assertion", "client_assertion_type"),
    }
)


def merged(
    standard: Mapping[str, str], *, provider: Mapping[str, str], caller: Mapping[str, str]
) -> dict[str, str]:
    """Return one set of parameters: the flow's own go before the admin's, those before a caller's.

    The wire API's custom parameters come "in addition to the standard parameters, and will not
    override them": what tries to is left out.
    """
    extra = {**caller, **provider}
    return {k: v for k, v in extra.items() if k not in RESERVED} | dict(standard)


def check_extra(value: Any) -> None:
    """Refuse a value that is not `{name: text}`, or that names a reserved one. ValidationError."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValidationError(_("Enter an object of names and texts."))
    reserved = sorted(RESERVED.intersection(value))
    if reserved:
        raise ValidationError(
            _("These are set by the flow itself: %(names)s"), params={"names": ", ".join(reserved)}
        )
