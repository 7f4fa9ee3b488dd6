"""What stands between a browser and the site's pages."""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import unquote

from django.contrib import auth
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse

from core.errors import AppError
from portal.errors import NotAnAdministrator, SignInRequired
from portal.signins import signin_of
from portal.views.errors import bad_request, refusal_page

log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]


class NullCharacterMiddleware:
    """Refuses a null character in a path or a query: no address here has one, and no column."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request, or say that it cannot be understood."""
        if "\0" in request.path_info or "\0" in unquote(request.META.get("QUERY_STRING", "")):
            return bad_request(request)
        return self.get_response(request)


class SignInMiddleware:
    """Signs a browser out whose sign-in has ended, or whose person was switched off.

    `request.signin` is the sign-in, or None; `request.user` is somebody only where that is set.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer as the person whose sign-in stands, or as to nobody."""
        signin = signin_of(request.session)
        if signin is None and SESSION_KEY in request.session:
            auth.logout(request)
        request.signin = signin  # type: ignore[attr-defined]  # what this middleware is for
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> HttpResponse | None:
        """Refuse the admin's pages to whoever is signed in and does not administer the site.

        The admin itself would send them to sign in, as who they are already.
        """
        match = request.resolver_match
        if match is None or match.app_name != "admin" or not request.user.is_authenticated:
            return None
        if request.user.is_staff:
            return None
        log.info("page.refused", extra={"reason": NotAnAdministrator.code})
        return refusal_page(request, NotAnAdministrator())


class RefusalPageMiddleware:
    """Turns a refusal that a view raises into a page for a person, with a reference."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exc: Exception) -> HttpResponse | None:
        """Return the page for `exc`, or None where it is no refusal but a bug."""
        if isinstance(exc, SignInRequired):
            return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")
        if isinstance(exc, AppError):
            log.info("page.refused", extra={"reason": exc.code, "detail": exc.detail})
            return refusal_page(request, exc)
        return None
