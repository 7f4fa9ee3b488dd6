"""What stands between a browser and the site's pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from django.contrib import auth
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from core.errors import AppError
from portal import step_up
from portal.errors import NotAnAdministrator, SignInRequired
from portal.flows.signin import safe_next
from portal.signed_in import signin_seen
from portal.signins import signin_of
from portal.views.errors import bad_request, refusal_page

log = logging.getLogger(__name__)

# What an action on ticked rows is asked with; that it was confirmed is asked again.
_OF_ACTIONS = ("action", "_selected_action", "select_across", "index")

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
        if signin is not None:
            signin_seen(signin)
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


class StepUpMiddleware:
    """Has an admin sign in again before something dangerous, unless they just did.

    A form that was filled in is shown again by the admin site, with what was typed.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> HttpResponse | None:
        """Return the way to sign in again, where that is needed first."""
        match, signin = request.resolver_match, request.signin  # type: ignore[attr-defined]  # ours
        if match is None or match.app_name != "admin" or signin is None:
            return None
        kind = step_up.kind_of(request, match)
        if kind is None or step_up.is_fresh(request.session, signin, at=time.time()):
            return None
        url = step_up.url_to(_way_back(request))
        if kind == "form":
            request.sign_in_again_url = url  # type: ignore[attr-defined]  # what forms look at
            return None
        if request.method != "POST":
            return HttpResponseRedirect(url)
        ticked = [(name, value) for name in _OF_ACTIONS for value in request.POST.getlist(name)]
        told = {"url": url, "ticked": ticked if kind == "action" else []}
        return render(request, "portal/sign_in_again.html", told, status=403)


def _way_back(request: HttpRequest) -> str:
    """Return the page to come back to: this one, or for a button the one that it was on."""
    for button in ("rotate/", "switch/"):
        if request.path.endswith(button):
            return request.path.removesuffix(button) + "change/"
    return request.get_full_path()


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
            if request.method in {"GET", "HEAD"}:
                return redirect_to_login(request.get_full_path())
            # What was sent is gone, and the person should know it.
            exc.next_path = safe_next(urlsplit(request.headers.get("Referer", "")).path)
        if isinstance(exc, AppError):
            log.info("page.refused", extra={"reason": exc.code, "detail": exc.detail})
            return refusal_page(request, exc)
        return None
