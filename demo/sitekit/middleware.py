"""What every request of a demo site is held to, and what every answer carries."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

View = Callable[[HttpRequest], HttpResponse]

PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def no_null_characters(get_response: View) -> View:
    """Refuse parameters with a null character in them: PostgreSQL takes none, and would fail."""

    def respond(request: HttpRequest) -> HttpResponse:
        for parameters in (request.GET, request.POST):
            for _, values in parameters.lists():
                if any("\0" in str(value) for value in values):
                    raise BadRequest("A parameter holds a null character.")
        return get_response(request)

    return respond


def private_pages(get_response: View) -> View:
    """Keep answers out of caches unless a view says otherwise, and browser features switched off.

    Pages here name a person, and redirects carry authorization codes (RFC 9700 section 4.3).
    """

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response

    return respond
