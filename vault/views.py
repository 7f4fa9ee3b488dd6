"""The browser's side of a consent: out to the provider, and back.

Guards: `authorize` wants the person who was asked to be signed in where the journey ends at this
site; `callback` wants the browser that `authorize` sent out, and a state that is still good.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from core import reference
from core.errors import AppError
from core.models import User
from core.secret import Secret
from vault import return_urls, sessions
from vault.authorization import read_answer
from vault.errors import ConsentEnded
from vault.flows import consent

log = logging.getLogger(__name__)

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

_COOKIE = "daiko_consent"
_COOKIE_PATH = "/identities/oauth2/"
_SALT = "vault.consent.browser"
_COOKIE_S = int(consent.LIFETIME.total_seconds())
_PAGE_STATUS = {"denied": 200, "expired": 410, "used": 410, "wrong_person": 403, "failed": 502}


def _journey(view: View[P]) -> View[P]:
    """Return `view` as a page kept nowhere, telling its URL to nobody, and explaining refusals."""

    @wraps(view)
    def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except ConsentEnded as exc:
            response = _ended(request, exc)
        except AppError as exc:
            response = _refused(request, exc)
        add_never_cache_headers(response)
        response["Referrer-Policy"] = "no-referrer"
        return response

    return page


@require_GET
@_journey
def authorize(request: HttpRequest) -> HttpResponse:
    """Send the person's browser to the provider."""
    session = sessions.by_uri(request.GET.get("request_uri", ""))
    if session.return_url == return_urls.own():
        # Only they can complete it here, so a forwarded link stops before anybody consents.
        if not isinstance(request.user, User):
            return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
        consent.check_person(session, request.user.subject)
    browser = _browser(request) or Secret(secrets.token_urlsafe(32))
    url = consent.go(session=session, browser=browser)
    response = HttpResponseRedirect(url.reveal())
    response.set_signed_cookie(
        _COOKIE,
        browser.reveal(),
        salt=_SALT,
        max_age=_COOKIE_S,
        path=_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_GET
@_journey
def callback(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Take the provider's answer, and send the browser to where the consent is completed."""
    answer = read_answer(request.GET)
    session = sessions.by_state(answer.state_hash, provider_id=provider_id)
    url = consent.come_back(session=session, answer=answer, browser=_browser(request))
    return HttpResponseRedirect(url)


def _browser(request: HttpRequest) -> Secret | None:
    """Return what this browser was marked with, if it was, by this site, and not too long ago."""
    try:
        value = request.get_signed_cookie(_COOKIE, salt=_SALT, max_age=_COOKIE_S)
    except (KeyError, signing.BadSignature):
        return None
    return Secret(value) if value else None


def _ended(request: HttpRequest, exc: ConsentEnded) -> HttpResponse:
    log.info("vault.consent.ended", extra={"reason": exc.code, "detail": exc.detail})
    context = {
        "outcome": exc.outcome,
        "agent": exc.session.agent_name,
        "provider": exc.session.provider.display_name,
        "reference": reference.current().id,
        "notice": exc.notice,
    }
    return render(request, "portal/consent_done.html", context, status=_PAGE_STATUS[exc.outcome])


def _refused(request: HttpRequest, exc: AppError) -> HttpResponse:
    log.info("vault.consent.refused", extra={"reason": exc.code, "detail": exc.detail})
    context = {
        "title": _("The connection did not succeed"),
        "message": exc.message,
        "reference": reference.current().id,
        "status": exc.status,
    }
    return render(request, "vault/error.html", context, status=exc.status)
