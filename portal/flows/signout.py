"""Signing out here and at the provider (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from mozilla_django_oidc.views import OIDCLogoutView

from core import identity_providers
from core.errors import AppError
from core.secret import Secret
from portal import provider
from portal.models import SignIn
from portal.signins import refresh_token_revoke, signin_end

log = logging.getLogger(__name__)


class SignOutView(OIDCLogoutView):  # type: ignore[misc]  # ships no types
    """Ends the sign-in. POST alone: a link must not sign anybody out."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign out here at once, then send the browser to do so at the provider.

        Raises:
            AuditUnavailable: it cannot be put on record; the person stays signed in.
        """
        signin: SignIn | None = request.signin  # type: ignore[attr-defined]  # our middleware's
        # Nobody signed in here may still be known there: somebody whose account is switched off.
        elsewhere = _end_session_url(signin)
        refresh = _refresh_token(signin) if signin else None
        if signin is not None:
            signin_end(signin)
        auth.logout(request)
        if signin is not None and refresh is not None:
            refresh_token_revoke(refresh, of=signin)
        if elsewhere is None:
            return HttpResponseRedirect("/")
        issuers = {provider.origin_of(one.issuer) for one in identity_providers.every()}
        if provider.origin_of(elsewhere) in issuers:
            return HttpResponseRedirect(elsewhere)
        # The Content-Security-Policy lets a form lead to the issuers' own origins alone.
        return render(request, "portal/signed_out.html", {"elsewhere": elsewhere})


def _end_session_url(signin: SignIn | None) -> str | None:
    """Return where the provider's own session is ended, or None where that cannot be had.

    Without the hint of a sign-in the provider asks the person first (section 2), and of several it
    cannot be said which.
    """
    if signin is None and settings.OIDC_FURTHER:
        return None
    try:
        asked = provider.of(signin) if signin else identity_providers.first()
        url = provider.endpoint(asked, "end_session_endpoint")
        hint = signin.id_token() if signin else None
    except AppError as exc:
        log.warning("signout.without_provider", extra={"reason": exc.code, "detail": exc.detail})
        return None
    if url is None or (signin is not None and hint is None):
        return None
    query = {
        **({"id_token_hint": hint.reveal()} if hint else {}),
        "client_id": asked.client_id,
        "post_logout_redirect_uri": f"{settings.SITE_URL}/",
    }
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _refresh_token(signin: SignIn) -> Secret | None:
    try:
        return signin.refresh_token()
    except AppError as exc:
        log.warning("signout.token_lost", extra={"reason": exc.code, "detail": exc.detail})
        return None
