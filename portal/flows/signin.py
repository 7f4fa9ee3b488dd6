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
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from mozilla_django_oidc.views import (
    OIDCAuthenticationCallbackView,
    OIDCAuthenticationRequestView,
)

from agents.errors import PersonDisabled
from core import audit, identity_providers, oauth, strangers
from core.errors import AppError
from core.identity_providers import IdentityProvider
from core.models import User
from core.secret import Secret
from portal import browsers, id_tokens, provider, step_up
from portal.errors import (
    PageNotFound,
    PortalError,
    ProviderAway,
    ProviderMisconfigured,
    SignedInAlready,
    SignInRefused,
    SignInRequired,
)
from portal.id_tokens import VerifiedIdToken
from portal.models import SignIn
from portal.signins import (
    SESSION_SIGNIN,
    profile_of,
    profile_renew,
    signin_begin,
    signin_end,
)

log = logging.getLogger(__name__)

_STATES = "oidc_states"  # mozilla-django-oidc's name
_STATE_AGE_S = 15 * 60
_MAX_NEXT_CHARS = 2000
# Of RFC 6749 section 4.1.2.1: what may pass, and what an admin has to put right.
_AWAY = {"temporarily_unavailable", "server_error"}
_NOT_SET_UP = {
    *("invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope"),
}
# Which provider somebody signed in with last, for the next time.
_LAST_COOKIE = "daiko_provider"
_LAST_S = 365 * 24 * 3600


def redirect_uri(asked: IdentityProvider) -> str:
    """Return the redirect URI for a provider; the request's Host header has no say in it.

    Each has one of its own, so that what one answers is never taken for another's (RFC 9700
    section 4.4.2).
    """
    if asked.name:
        return str(settings.SITE_URL) + reverse("portal:callback_of", args=[asked.name])
    return str(settings.SITE_URL) + reverse("oidc_authentication_callback")


def safe_next(path: str | None) -> str:
    """Return where to go after signing in: a path of this site, or the start page."""
    is_path = path is not None and path.startswith("/") and len(path) <= _MAX_NEXT_CHARS
    if path and is_path and url_has_allowed_host_and_scheme(path, allowed_hosts=None):
        return path
    return "/"


class AuthenticateView(OIDCAuthenticationRequestView):  # type: ignore[misc]  # ships no types
    """Sends the browser to the provider; where there are several, to the one that was chosen."""

    asked: IdentityProvider

    @staticmethod
    def get_settings(attr: str, *args: Any) -> Any:
        """Return a setting; where a provider answers is asked of it once it is known which."""
        if attr == "OIDC_OP_AUTHORIZATION_ENDPOINT":
            return None
        return OIDCAuthenticationRequestView.get_settings(attr, *args)

    def get_extra_params(self, request: HttpRequest) -> dict[str, str]:
        """Return the parameters that are not left to the library."""
        again = step_up.parameters(self.asked) if _is_again(request) else {}
        return {
            **super().get_extra_params(request),
            "scope": self.asked.scopes,
            **again,
            "redirect_uri": redirect_uri(self.asked),
        }

    def get(self, request: HttpRequest) -> HttpResponse:
        """Begin a sign-in, and keep with its state where it leads back to, and who is asked.

        The library keeps one `next` a session: two tabs would both end where the second began.

        Raises:
            ProviderAway, ProviderMisconfigured: nobody can sign in there now.
            SignInRequired: there is no sign-in that could be confirmed.
            SignedInAlready: somebody of another provider is signed in.
        """
        chosen = _chosen(request)
        if chosen is None:
            return _choices(request)
        _check_takes_nobodys_place(request, chosen)
        self.asked, self.OIDC_RP_CLIENT_ID = chosen, chosen.client_id
        self.OIDC_OP_AUTH_ENDPOINT = provider.required_endpoint(chosen, "authorization_endpoint")
        response: HttpResponseRedirect = super().get(request)
        request.session.pop("oidc_login_next", None)
        [state] = parse_qs(urlsplit(response.url).query)["state"]
        pending = request.session[_STATES][state]
        pending["next"] = safe_next(request.GET.get("next"))
        pending["provider"] = chosen.name
        if _is_again(request):
            pending["again"] = str(_signin_at(request).pk)
        request.session.modified = True
        if not request.user.is_authenticated:
            # Strangers begin sign-ins that nobody ends; what is kept of them does not last.
            request.session.set_expiry(_STATE_AGE_S)
        return response


class CallbackView(OIDCAuthenticationCallbackView):  # type: ignore[misc]  # ships no types
    """Where the provider sends the browser back to."""

    def get(self, request: HttpRequest, name: str = "") -> HttpResponse:
        """Sign the person in and go on to where they came from. `name` is the provider's.

        Raises:
            PageNotFound: there is no such provider.
            SignInRefused, PersonDisabled, SignedInAlready: nobody was signed in; it is on record.
            ProviderAway, ProviderMisconfigured: it could not be tried.
            TooManyRefusals: any of these, once too often from this address; it is counted.
        """
        asked = identity_providers.named(name)
        if asked is None:
            raise PageNotFound
        try:
            pending = _pending(request, asked)
            self.next = str(pending["next"])
            _check_takes_nobodys_place(request, asked)
            request.asked = asked  # type: ignore[attr-defined]  # what `authenticate` is told
            # What `authenticate` is told, and `login_success` after it.
            request.step_up = _asked_again(request, pending)  # type: ignore[attr-defined]
            _check_response_issuer(request, asked)
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
                        client=asked.client_id,
                        detail={"issuer": asked.issuer},
                    )
                )
            if isinstance(exc, PortalError):
                exc.said_by = asked.label if settings.OIDC_FURTHER else ""
                exc.next_path = getattr(self, "next", "/")
            raise
        return response

    def login_success(self) -> HttpResponse:
        """Open the session under a new key, also where the same person was signed in with it.

        The library leaves the session as it is for the same person. But this is a new sign-in, with
        tokens of its own, and a key that was planted or seen before must not come to stand for it.
        """
        if self.request.step_up is not None:
            # The sign-in that there was stands, and with it the tokens of forms in other tabs.
            self.request.session.cycle_key()
            step_up.note(self.request.session, self.user.signin, self.user.identity, at=time.time())
            return HttpResponseRedirect(self.next)
        _end_previous(self.request)
        signin: SignIn = self.user.signin
        auth.login(self.request, self.user)
        self.request.session.cycle_key()
        self.request.session.set_expiry(None)
        self.request.session[SESSION_SIGNIN] = str(signin.pk)
        step_up.note(self.request.session, signin, self.user.identity, at=time.time())
        response = HttpResponseRedirect(self.next)
        _remember(response, self.request.asked)
        return response

    def login_failure(self) -> HttpResponse:
        """Refuse: the library found the answer incomplete."""
        raise SignInRefused("incomplete_response")


class Backend(ModelBackend):
    """Turns an authorization code into a person, by verifying everything that stands behind it.

    Not derived from the library's backend: that one verifies neither issuer nor audience, matches
    people by e-mail address, and nothing of it would be left.
    """

    def _get_group_permissions(self, user_obj: User) -> QuerySet[Permission]:
        """Return what the person's roles permit.

        Not their groups: those are named by the identity provider, and permit nothing here.
        """
        return Permission.objects.filter(roles__people=user_obj)

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
        provider_asked: IdentityProvider = request.asked  # type: ignore[attr-defined]  # ours
        tokens = _exchange(provider_asked, request.GET["code"], Secret(code_verifier))
        if tokens.id_token is None:
            raise SignInRefused("no_id_token")
        identity = id_tokens.verify(
            tokens.id_token,
            id_tokens.Expected(
                provider_asked, nonce=nonce, access_token=tokens.access, now=time.time()
            ),
        )
        asked: _Again | None = getattr(request, "step_up", None)
        if asked is not None:
            signin = _confirmed(asked, identity, tokens)
        else:
            signin = signin_begin(
                identity=identity,
                profile=profile_of(identity, access_token=tokens.access),
                tokens=tokens,
                id_token=tokens.id_token,
                user_agent=browsers.kept(request.headers.get("User-Agent")),
            )
        user: User = signin.user
        user.signin = signin  # type: ignore[attr-defined]  # the way through django.contrib.auth
        user.identity = identity  # type: ignore[attr-defined]  # the same
        return user


@dataclass(frozen=True, slots=True)
class _Again:
    """A request to sign in again: whose sign-in it confirms, and when it was made."""

    signin: SignIn
    asked_at: float  # epoch seconds


def _chosen(request: HttpRequest) -> IdentityProvider | None:
    """Return whom to ask: the provider of the sign-in to confirm, or the chosen or only one.

    Raises:
        SignInRequired: nobody is signed in who could do so again.
        ProviderGone: who is, came from a provider that the site does not name any more.
        PageNotFound: there is none of that name.
    """
    if _is_again(request):
        return provider.of(_signin_at(request))
    if not settings.OIDC_FURTHER:
        return identity_providers.first()
    name = request.GET.get("provider")
    if name is None:
        return None
    found = identity_providers.named(name)
    if found is None:
        raise PageNotFound
    return found


def _choices(request: HttpRequest) -> HttpResponse:
    """Return the page that asks with which provider to sign in; that of the last time is first."""
    last = request.COOKIES.get(_LAST_COOKIE)
    choices = sorted(identity_providers.every(), key=lambda one: one.name != last)
    begin = reverse("oidc_authentication_init")
    following = safe_next(request.GET.get("next"))
    links = [
        (one.label, f"{begin}?{urlencode({'provider': one.name, 'next': following})}")
        for one in choices
    ]
    known = choices[0].name == last
    page = render(request, "portal/choose_provider.html", {"links": links, "known": known})
    page["Cache-Control"] = "no-store"
    return page


def _remember(response: HttpResponse, asked: IdentityProvider) -> None:
    if settings.OIDC_FURTHER:
        response.set_cookie(
            _LAST_COOKIE,
            asked.name,
            max_age=_LAST_S,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def _is_again(request: HttpRequest) -> bool:
    return request.GET.get("again") == "yes"


def _signin_at(request: HttpRequest) -> SignIn:
    """Return the sign-in of this browser. Raises SignInRequired."""
    signin: SignIn | None = request.signin  # type: ignore[attr-defined]  # our middleware's
    if signin is None:
        raise SignInRequired
    return signin


def _asked_again(request: HttpRequest, pending: dict[str, Any]) -> _Again | None:
    """Return what was asked where the person was to sign in again; None: it is a new sign-in.

    Raises:
        SignInRefused: the sign-in that was to be confirmed is not this browser's any more.
    """
    if "again" not in pending:
        return None
    signin: SignIn | None = request.signin  # type: ignore[attr-defined]  # our middleware's
    if signin is None or str(signin.pk) != pending["again"]:
        raise SignInRefused("state_mismatch")
    return _Again(signin, float(pending["added_on"]))


def _confirmed(asked: _Again, identity: VerifiedIdToken, tokens: oauth.Tokens) -> SignIn:
    """Return the sign-in whose person proved again who they are; it is on record.

    The new tokens are forgotten, and not revoked: at some providers that would end the tokens of
    the sign-in as well, because both are of one session there.

    Raises:
        SignInRefused: as `step_up.check`. The sign-in stands as it was.
    """
    step_up.check(identity, asked.signin, asked_at=asked.asked_at, at=time.time())
    audit.record(
        audit.Event(
            "person.signed_in_again",
            subject=identity.subject,
            client=identity.provider.client_id,
            detail={"signin": str(asked.signin.pk)},
        )
    )
    profile_renew(identity, tokens.access)
    return asked.signin


def _pending(request: HttpRequest, asked: IdentityProvider) -> dict[str, Any]:
    """Return what was kept of the sign-in that this response, of `asked`, answers.

    Raises:
        SignInRefused: this browser began no such sign-in, or began it too long ago or at another
            provider. A response that was made for another browser must not sign anybody in here
            (RFC 6749 section 10.12), and no code goes to a provider that did not issue it (RFC 9700
            section 4.4).
    """
    pending: dict[str, Any] | None = request.session.get(_STATES, {}).get(
        request.GET.get("state", "")
    )
    if pending is None and settings.SESSION_COOKIE_NAME not in request.COOKIES:
        raise SignInRefused("cookie_missing")
    if pending is None or time.time() - pending["added_on"] > _STATE_AGE_S:
        raise SignInRefused("state_mismatch")
    if pending.get("provider", "") != asked.name:
        raise SignInRefused("another_provider")
    return pending


def _check_takes_nobodys_place(request: HttpRequest, asked: IdentityProvider) -> None:
    """Refuse to put somebody of `asked` in the place of who is signed in by another provider.

    Any page can send a browser to a sign-in, and a provider may answer it at once and with any
    name: the weakest of several would decide as whom people speak, attach and consent.

    Raises:
        SignedInAlready: they sign out first, which no other page can do for them.
    """
    signin: SignIn | None = request.signin  # type: ignore[attr-defined]  # our middleware's
    if signin is not None and signin.user.iss != asked.issuer:
        raise SignedInAlready(person=signin.user.display_name, place=asked.label)


def _check_response_issuer(request: HttpRequest, asked: IdentityProvider) -> None:
    """Refuse a response of another provider (RFC 9207 section 2.4)."""
    issuer = request.GET.get("iss")
    if issuer is None:
        if provider.announces(asked, "authorization_response_iss_parameter_supported"):
            raise SignInRefused("response_issuer_missing")
    elif not hmac.compare_digest(issuer.encode(), asked.issuer.encode()):
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
    if error in _AWAY:
        raise ProviderAway(detail=detail)
    if error in _NOT_SET_UP:
        raise ProviderMisconfigured(detail=detail)
    denied = error == "access_denied"
    raise SignInRefused("denied_at_provider" if denied else "provider_refused", detail=detail)


def _exchange(asked: IdentityProvider, code: str, verifier: Secret) -> oauth.Tokens:
    """Return the tokens for an authorization code (RFC 6749 section 4.1.3, RFC 7636)."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(asked),
        "code_verifier": verifier.reveal(),
    }
    endpoint = provider.required_endpoint(asked, "token_endpoint")
    try:
        return oauth.token_request(endpoint, client=provider.client(asked), form=form)
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
