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


class NoStoreMiddleware:
    """Keeps every answer out of caches, unless its view says how long it may be kept.

    Pages and the API tell a person what is theirs, and so do the pages of errors.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the answer with `Cache-Control`."""
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
