"""What the site's API adds to an error."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.core.exceptions import RequestDataTooBig
from django.urls import reverse
from rest_framework.response import Response

from core import api
from core.errors import TooLarge
from portal.errors import SignInRequired
from portal.flows.signin import safe_next


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Return the JSON of an error; one that a sign-in would cure says where that begins."""
    # Django refuses a body over `DATA_UPLOAD_MAX_MEMORY_SIZE` when it is first looked at.
    if isinstance(exc, RequestDataTooBig):
        exc = TooLarge()
    response = api.handle(exc, context)
    if isinstance(exc, SignInRequired) and response is not None:
        came_from = urlsplit(context["request"].headers.get("Referer", "")).path
        query = urlencode({"next": safe_next(came_from)})
        response.data = {
            **response.data,
            "error": SignInRequired.code,
            "sign_in_url": f"{reverse('oidc_authentication_init')}?{query}",
        }
    return response
