"""The keys that verify what this site signs (RFC 7517), for the providers that it signs to.

Guard: none; these halves of the keys are public.
"""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from vault.models.signing_keys import published_keys

_MAX_AGE_S = 600


@require_safe
def jwks(request: HttpRequest) -> JsonResponse:
    """Return the key set."""
    answer = JsonResponse({"keys": published_keys()})
    answer["Cache-Control"] = f"public, max-age={_MAX_AGE_S}"
    return answer
