"""The browser's side of a consent: out to the provider, and back.

Guards: `authorize` wants the person who was asked to be signed in where the journey ends at this
site; `callback` wants the browser that `authorize` sent out, and a state that is still good.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_GET

from core.errors import AppError
from core.models import User
from core.secret import Secret
from vault.flows import consent, return_urls, sessions
from vault.flows.authorization import read_answer
from vault.models import ConsentSession
from vault.pages import done

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

_COOKIE = "daiko_consent"
_COOKIE_PATH = "/identities/oauth2/"
_SALT = "vault.consent.browser"
_COOKIE_S = int(consent.LIFETIME.total_seconds())


def _journey(view: View[P]) -> View[P]:
    """Return `view` as a page kept nowhere, telling its URL to nobody, and explaining refusals."""

    @wraps(view)
    def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except AppError as exc:
            response = done.not_connected(request, exc)
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
        if session.status == ConsentSession.Status.COMPLETED:
            return HttpResponseRedirect(_told_at(session))
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
    browser = _browser(request)
    session = sessions.by_state(answer.state_hash, provider_id=provider_id, browser=browser)
    if answer.code is not None and _is_theirs_and_done(request, session):
        return HttpResponseRedirect(_told_at(session))
    url = consent.come_back(session=session, answer=answer, browser=browser)
    return HttpResponseRedirect(url)


def _is_theirs_and_done(request: HttpRequest, session: ConsentSession) -> bool:
    """Say whether the person who was asked, signed in here, comes back to what they completed."""
    return (
        session.status == ConsentSession.Status.COMPLETED
        and session.return_url == return_urls.own()
        and isinstance(request.user, User)
        and request.user.subject == session.subject
    )


def _told_at(session: ConsentSession) -> str:
    """Return this site's page that says what came of a completed session. It changes nothing."""
    return return_urls.with_answer(
        return_urls.own(), session_uri=session.request_uri(), custom_state=None
    )


def _browser(request: HttpRequest) -> Secret | None:
    """Return what this browser was marked with, if it was, by this site, and not too long ago."""
    try:
        value = request.get_signed_cookie(_COOKIE, salt=_SALT, max_age=_COOKIE_S)
    except (KeyError, signing.BadSignature):
        return None
    return Secret(value) if value else None
