"""Pages that say what went wrong, each with the reference under which the log knows it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from agents.errors import PersonDisabled
from core import database, reference
from core.errors import AppError, Throttled
from portal.errors import (
    AgentForPrograms,
    PortalError,
    ProviderAway,
    SignedInAlready,
    SignInRefused,
    SignInRequired,
)
from portal.flows.signin import safe_next


def refusal_page(request: HttpRequest, error: AppError) -> HttpResponse:
    """Return the page for a refusal, with its status."""
    # What is not theirs looks like what is not there.
    if error.status == HTTPStatus.NOT_FOUND and not isinstance(error, AgentForPrograms):
        return page_not_found(request)
    told: dict[str, Any] = {
        "message": error.message,
        "reference": reference.current().id,
        "status": error.status,
    }
    if isinstance(error, PortalError):
        told["title"], told["said_by"] = error.title, error.said_by
    if isinstance(error, PersonDisabled):
        told["title"] = _("Your account is switched off")
        told["another_account"] = True
    elif isinstance(error, SignedInAlready):
        told["another_account"] = True
    elif isinstance(error, Throttled):
        told["title"] = _("Too many attempts")
    elif not isinstance(error, PortalError) and error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        told["advice"] = _(
            "Try again in a moment. If it happens again, tell an administrator the reference below."
        )
    if isinstance(error, SignInRefused | ProviderAway | SignInRequired):
        told["action_url"] = _signing_in(request, error)
        signs_in = isinstance(error, SignInRequired)
        told["action_label"] = _("Sign in") if signs_in else _("Try again")
        if signs_in:
            told["advice"] = _("What you just sent was not taken. Nothing was changed.")
    page = render(request, "portal/error.html", told, status=error.status)
    if isinstance(error, Throttled):
        page["Retry-After"] = str(error.retry_after_s)
    return page


def _signing_in(request: HttpRequest, error: PortalError) -> str:
    """Return where a sign-in begins that leads to where this one would have led."""
    begin = reverse("oidc_authentication_init")
    asked = request.GET.get("next") if request.path == begin else error.next_path
    return f"{begin}?{urlencode({'next': safe_next(asked)})}"


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the page of a request that cannot be understood."""
    return _page(request, "400.html", 400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the page of something that this person may not do."""
    return _page(request, "403.html", 403)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the page of what does not exist, or not for this person."""
    return _page(request, "404.html", 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the page of a bug here."""
    return _page(request, "500.html", 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the page of a form that was not this site's, or is too old."""
    return _page(request, "403_csrf.html", 403)


def _page(request: HttpRequest, template: str, status: int) -> HttpResponse:
    told = {"reference": reference.current().id, "status": status}
    try:
        return render(request, template, told, status=status)
    finally:
        # Django's ASGI handler renders these on a thread of which the request's end knows nothing,
        # so the connection on which the header asked who this is would stay there for good.
        database.let_go()
