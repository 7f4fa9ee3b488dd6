"""What every Django request passes first."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from core import reference


class ReferenceMiddleware:
    """Gives the request its reference, and the answer a header that names it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the answer with `X-Request-Id`."""
        begun = reference.begin(request.META.get("REMOTE_ADDR") or None)
        response = self.get_response(request)
        response["X-Request-Id"] = begun.id
        return response
