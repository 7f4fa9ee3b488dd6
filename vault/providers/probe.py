"""Trying a credential provider before the first person is asked."""

from __future__ import annotations

import secrets

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from agents.probe import Finding
from core import oauth, pkce
from core.errors import AppError
from vault.models import CredentialProvider
from vault.providers.endpoints import endpoints_of


def provider_probe(*, provider: CredentialProvider) -> list[Finding]:
    """Return what an admin should know before the first person is asked. Calls the provider twice.

    The client is tried with a code that cannot exist: `invalid_grant` means that the provider knew
    the client (RFC 6749 section 5.2), `invalid_client` that it did not.
    """
    try:
        endpoints = endpoints_of(provider)
    except AppError as exc:
        return [Finding(False, exc.message)]
    found = [Finding(True, format_lazy(_("Its issuer is {issuer}."), issuer=endpoints.issuer))]
    if endpoints.revocation is None:
        lacking = _("It has no revocation endpoint: disconnecting cannot end access there.")
        found.append(Finding(False, lacking))
    form = {
        "grant_type": "authorization_code",
        "code": f"daiko-trial-{secrets.token_urlsafe(16)}",
        "redirect_uri": provider.callback_url,
        "code_verifier": pkce.new_verifier().reveal(),
    }
    try:
        oauth.token_request(endpoints.token, client=provider.client(), form=form)
    except oauth.GrantRejected:
        found.append(Finding(True, _("It knows this client and accepts its authentication.")))
    except AppError as exc:
        found.append(Finding(False, exc.message))
    else:
        found.append(Finding(False, _("It gave a token for a code that was made up.")))
    return found
