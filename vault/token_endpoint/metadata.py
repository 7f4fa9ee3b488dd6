"""What the token endpoint takes, for clients that ask (RFC 8414).

Guard: none; it says what anybody may know. Agents' protected resource metadata (RFC 9728) does not
lead here: what is issued here opens no agent, which takes tokens of the issuer of its authorizer.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from vault.token_endpoint import app
from vault.token_endpoint.exchange import GRANT_TYPES

_MAX_AGE_S = 600
_DOCUMENTATION = "/api/docs/"


@require_safe
def metadata(request: HttpRequest) -> JsonResponse:
    """Return the authorization server's metadata."""
    answer = JsonResponse(
        {
            "issuer": settings.SITE_URL,
            "token_endpoint": settings.SITE_URL + app.PATH,
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "grant_types_supported": GRANT_TYPES,
            # Required, and there is no authorization endpoint: consent is no grant of this server.
            "response_types_supported": [],
            "service_documentation": settings.SITE_URL + _DOCUMENTATION,
            "jwks_uri": settings.SITE_URL + reverse("vault:jwks"),
        }
    )
    answer["Cache-Control"] = f"public, max-age={_MAX_AGE_S}"
    return answer
