"""Signing in with the organisation's OpenID provider (OpenID Connect Core 1.0 section 3.1).

The views and the session flow are mozilla-django-oidc's: state, nonce and PKCE verifier in the
browser's session, single-use. What it leaves open is closed here: endpoints come from the issuer's
own metadata, the ID token is verified whole, people are known by `(iss, sub)`, tokens are kept
sealed outside the session, and every failure is a page with a reference.
"""

from __future__ import annotations

import hmac
import logging
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from mozilla_django_oidc.views import (
    OIDCAuthenticationCallbackView,
    OIDCAuthenticationRequestView,
)

from agents.errors import PersonDisabled
from core import audit, oauth, strangers
from core.errors import AppError
from core.models import User
from core.secret import Secret
from portal import id_tokens, provider
from portal.errors import ProviderAway, ProviderMisconfigured, SignInRefused
from portal.models import SignIn
from portal.signins import SESSION_SIGNIN, profile_of, signin_begin, signin_end

log = logging.getLogger(__name__)

_STATES = "oidc_states"  # mozilla-django-oidc's name
_STATE_AGE_S = 15 * 60
_MAX_NEXT_CHARS = 2000
_FROM_METADATA = {"OIDC_OP_AUTHORIZATION_ENDPOINT": "authorization_endpoint"}


def redirect_uri() -> str:
    """Return the site's one redirect URI; the request's Host header has no say in it."""
    return str(settings.SITE_URL) + reverse("oidc_authentication_callback")


def safe_next(path: str | None) -> str:
    """Return where to go after signing in: a path of this site, or the start page."""
    is_path = path is not None and path.startswith("/") and len(path) <= _MAX_NEXT_CHARS
    if path and is_path and url_has_allowed_host_and_scheme(path, allowed_hosts=None):
        return path
    return "/"


class AuthenticateView(OIDCAuthenticationRequestView):  # type: ignore[misc]  # ships no types
    """Sends the browser to the provider."""

    @staticmethod
    def get_settings(attr: str, *args: Any) -> Any:
        """Return a setting; the provider's endpoints are in its metadata. Raises ProviderAway."""
        if attr in _FROM_METADATA:
            return provider.required_endpoint(_FROM_METADATA[attr])
        return OIDCAuthenticationRequestView.get_settings(attr, *args)

    def get_extra_params(self, request: HttpRequest) -> dict[str, str]:
        """Return the parameters that are not left to the library."""
        return {**super().get_extra_params(request), "redirect_uri": redirect_uri()}

    def get(self, request: HttpRequest) -> HttpResponse:
        """Begin a sign-in, and keep with its state where it leads back to.

        The library keeps one `next` a session: two tabs would both end where the second began.
        """
        response: HttpResponseRedirect = super().get(request)
        request.session.pop("oidc_login_next", None)
        [state] = parse_qs(urlsplit(response.url).query)["state"]
        request.session[_STATES][state]["next"] = safe_next(request.GET.get("next"))
        request.session.modified = True
        if not request.user.is_authenticated:
            # Strangers begin sign-ins that nobody ends; what is kept of them does not last.
            request.session.set_expiry(_STATE_AGE_S)
        return response


class CallbackView(OIDCAuthenticationCallbackView):  # type: ignore[misc]  # ships no types
    """Where the provider sends the browser back to."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Sign the person in and go on to where they came from.

        Raises:
            SignInRefused, PersonDisabled: nobody was signed in; it is on record.
            ProviderAway, ProviderMisconfigured: it could not be tried.
            TooManyRefusals: any of these, once too often from this address; it is counted.
        """
        try:
            self.next = _pending_next(request)
            _check_response_issuer(request)
            _check_no_error(request)
            response: HttpResponse = super().get(request)
        except AppError as exc:
            log.info("signin.refused", extra={"reason": exc.code, "detail": exc.detail})
            away = isinstance(exc, ProviderAway | ProviderMisconfigured | audit.AuditUnavailable)
            if not isinstance(exc, audit.AuditUnavailable):
                # Anybody can come here, and has proved nothing until the sign-in succeeds: a row
                # for each visit would let a stranger fill a trail that nobody can shorten.
                strangers.refused_on_thread(
                    audit.Event(
                        "person.signin.refused",
                        outcome="failed" if away else "refused",
                        reason=exc.code,
                        subject=exc.subject if isinstance(exc, PersonDisabled) else None,
                        client=settings.OIDC_RP_CLIENT_ID,
                    )
                )
            raise
        return response

    def login_success(self) -> HttpResponse:
        """Open the session under a new key, also where the same person was signed in with it.

        The library leaves the session as it is for the same person. But this is a new sign-in, with
        tokens of its own, and a key that was planted or seen before must not come to stand for it.
        """
        _end_previous(self.request)
        signin: SignIn = self.user.signin
        auth.login(self.request, self.user)
        self.request.session.cycle_key()
        self.request.session.set_expiry(None)
        self.request.session[SESSION_SIGNIN] = str(signin.pk)
        return HttpResponseRedirect(self.next)

    def login_failure(self) -> HttpResponse:
        """Refuse: the library found the answer incomplete."""
        raise SignInRefused("incomplete_response")


class Backend(ModelBackend):
    """Turns an authorization code into a person, by verifying everything that stands behind it.

    Not derived from the library's backend: that one verifies neither issuer nor audience, matches
    people by e-mail address, and nothing of it would be left.
    """

    def authenticate(  # type: ignore[override]  # credentials here are what the callback has
        self,
        request: HttpRequest | None,
        nonce: str | None = None,
        code_verifier: str | None = None,
    ) -> User | None:
        """Return the person who signed in, with their new sign-in as `signin`.

        Raises:
            SignInRefused, PersonDisabled: a check is not passed; there is no user and no sign-in.
            ProviderAway, ProviderMisconfigured: the provider does not answer as it should.
        """
        if request is None or not nonce or not code_verifier:
            return None
        tokens = _exchange(request.GET["code"], Secret(code_verifier))
        if tokens.id_token is None:
            raise SignInRefused("no_id_token")
        identity = id_tokens.verify(
            tokens.id_token,
            id_tokens.expected_of_provider(
                nonce=nonce, access_token=tokens.access, now=time.time()
            ),
        )
        signin = signin_begin(
            identity=identity,
            profile=profile_of(identity, access_token=tokens.access),
            tokens=tokens,
            id_token=tokens.id_token,
        )
        user: User = signin.user
        user.signin = signin  # type: ignore[attr-defined]  # the way through django.contrib.auth
        return user


def _pending_next(request: HttpRequest) -> str:
    """Return where the sign-in that this response answers leads to.

    Raises:
        SignInRefused: this browser began no such sign-in, or began it too long ago. A response that
            was made for another browser must not sign anybody in here (RFC 6749 section 10.12).
    """
    pending = request.session.get(_STATES, {}).get(request.GET.get("state", ""))
    if pending is None or time.time() - pending["added_on"] > _STATE_AGE_S:
        raise SignInRefused(
            "state_mismatch",
            _("This sign-in was begun in another window, or too long ago. Please try again."),
            status=400,
        )
    return str(pending["next"])


def _check_response_issuer(request: HttpRequest) -> None:
    """Refuse a response of another provider (RFC 9207 section 2.4)."""
    issuer = request.GET.get("iss")
    if issuer is None:
        if provider.announces("authorization_response_iss_parameter_supported"):
            raise SignInRefused("response_issuer_missing")
    elif not hmac.compare_digest(issuer.encode(), str(settings.OIDC_ISSUER).encode()):
        raise SignInRefused("response_issuer_mismatch")


def _check_no_error(request: HttpRequest) -> None:
    """Refuse an error response (RFC 6749 section 4.1.2.1), whose state is used up by it."""
    error = request.GET.get("error")
    if error is None:
        return
    del request.session[_STATES][request.GET["state"]]
    request.session.modified = True
    said = oauth.redacted(request.GET.get("error_description"))
    detail = f"{oauth.redacted(error)}: {said}"
    if error == "temporarily_unavailable":
        raise ProviderAway(detail=detail)
    raise SignInRefused(
        "provider_refused",
        _("Your organisation's sign-in service did not let you in."),
        detail=detail,
    )


def _exchange(code: str, verifier: Secret) -> oauth.Tokens:
    """Return the tokens for an authorization code (RFC 6749 section 4.1.3, RFC 7636)."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(),
        "code_verifier": verifier.reveal(),
    }
    endpoint = provider.required_endpoint("token_endpoint")
    try:
        return oauth.token_request(endpoint, client=provider.client(), form=form)
    except oauth.GrantRejected as exc:
        raise SignInRefused("code_refused", detail=exc.detail) from None
    except oauth.Misconfigured as exc:
        raise ProviderMisconfigured(detail=exc.detail) from None
    except oauth.OAuthError as exc:
        raise ProviderAway(detail=exc.detail) from None


def _end_previous(request: HttpRequest) -> None:
    """End the sign-in that this browser's session stood for until now."""
    signin_id = request.session.get(SESSION_SIGNIN)
    previous = SignIn.objects.filter(pk=signin_id).first() if signin_id else None
    if previous is not None:
        signin_end(previous, action="person.signin.replaced")
