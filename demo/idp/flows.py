"""The journeys of allauth's provider, held to rules that it leaves to the site.

allauth asks public clients alone for PKCE and takes the `plain` method; it compares a loopback
redirect URI without its port and allows parameters of one's own behind it (RFC 8252, which is for
native applications); and two requests at the same moment can both spend one code or one refresh
token. Each class here closes one of these (RFC 9700 sections 2.1, 2.1.1 and 4.14).
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from allauth.account.views import ReauthenticateView
from allauth.core.internal.httpkit import add_query_params
from allauth.idp.oidc.forms import RPInitiatedLogoutForm
from allauth.idp.oidc.internal.oauthlib.utils import respond_html_error
from allauth.idp.oidc.models import Client
from allauth.idp.oidc.views import AuthorizationView, LogoutView, TokenView
from django import forms
from django.contrib.auth.models import update_last_login
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.translation import gettext as _
from oauthlib.oauth2.rfc6749.errors import InvalidRequestFatalError

S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7636 section 4.2


class StrictAuthorizationView(AuthorizationView):
    """The authorization endpoint: exact redirect URIs, and PKCE with S256 from every client."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        client = Client.objects.filter(pk=request.GET.get("client_id", "")).first()
        redirect_uri = request.GET.get("redirect_uri", "")
        if client is None or redirect_uri not in client.get_redirect_uris():
            # Not sent back: this address belongs to nobody we know (RFC 6749 section 4.1.2.1).
            error = InvalidRequestFatalError(description=_("Unknown client or redirect address."))
            return _as_bad_request(respond_html_error(request, error=error))
        if not _has_s256_challenge(request.GET):
            refusal = {
                "error": "invalid_request",
                "error_description": "PKCE with code_challenge_method=S256 is required.",
            }
            if state := request.GET.get("state"):
                refusal["state"] = state
            return HttpResponseRedirect(add_query_params(redirect_uri, refusal))
        response = super().get(request, *args, **kwargs)
        return response if response.has_header("Location") else _as_bad_request(response)


class TimedReauthenticateView(ReauthenticateView):
    """The password asked for again (`prompt=login`), which the next ID token tells the time of."""

    def form_valid(self, form: forms.Form) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        update_last_login(type(self.request.user), self.request.user)
        return response


class SpendOnceTokenView(TokenView):
    """The token endpoint, where a code or a refresh token is spent by one request only."""

    def post(self, request: HttpRequest) -> HttpResponse:
        with transaction.atomic():
            for name in ("code", "refresh_token"):
                if credential := request.POST.get(name):
                    _wait_for_turn(credential)
            response: HttpResponse = super().post(request)
            return response


class ExactLogoutForm(RPInitiatedLogoutForm):
    """A request to sign out, whose return address is one that the client registered."""

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        if cleaned and (uri := cleaned.get("post_logout_redirect_uri")):
            client = cleaned.get("client")
            if client is None or uri not in client.get_post_logout_redirect_uris():
                self.add_error(
                    "post_logout_redirect_uri", forms.ValidationError(_("Unknown return address."))
                )
        return cleaned


class ExactLogoutView(LogoutView):
    """RP-initiated logout; without a valid hint it asks the person first."""

    form_class = ExactLogoutForm

    def form_invalid(self, form: RPInitiatedLogoutForm) -> HttpResponse:
        return _as_bad_request(super().form_invalid(form))


def _has_s256_challenge(asked: QueryDict) -> bool:
    """Say whether the request carries one well-formed challenge, by the one method we take."""
    challenges = asked.getlist("code_challenge")
    return (
        asked.getlist("code_challenge_method") == ["S256"]
        and len(challenges) == 1
        and S256_CHALLENGE.fullmatch(challenges[0]) is not None
    )


def _as_bad_request(response: HttpResponse) -> HttpResponse:
    """Return allauth's error page under the status of an error; it comes with 200."""
    response.status_code = 400
    return response


def _wait_for_turn(credential: str) -> None:
    """Hold a lock on `credential` until the transaction ends, so that requests take turns.

    The database sees a part of its hash, never the credential.
    """
    number = int.from_bytes(hashlib.sha256(credential.encode()).digest()[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
