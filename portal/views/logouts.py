"""What the identity provider says when somebody signs out there, or is signed out."""

from __future__ import annotations

import logging
import time

from django.contrib import auth
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import override
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from core import audit, database, identity_providers, reference, strangers
from core.errors import AppError, Throttled
from core.identity_providers import IdentityProvider
from core.secret import Secret
from portal import logout_tokens
from portal.errors import LogoutRefused, PageNotFound
from portal.logouts import logout_obey, logout_obey_here
from portal.models import SignIn
from portal.provider import origin_of
from portal.views.access import public

log = logging.getLogger(__name__)


@public
@csrf_exempt  # whoever comes is no browser; the token's signature says who it is
@require_POST
def backchannel(request: HttpRequest, name: str = "") -> HttpResponse:
    """End sign-ins as a logout token says (OpenID Connect Back-Channel Logout 1.0 section 2.5).

    `name` is the provider's, whose keys alone are asked: each has a URL of its own.

    Anybody can come here: what proves nothing is refused, on record, and after a while counted.
    """
    asked = identity_providers.named(name)
    if asked is None:
        raise PageNotFound
    try:
        given = request.POST.getlist("logout_token")
        if len(given) != 1:
            raise LogoutRefused("no_logout_token")
        # The provider may be slow to say its keys, and connections are few.
        database.let_go()
        told = logout_tokens.verify(Secret(given[0]), of=asked, now=time.time())
        ended = logout_obey(told)
    except AppError as exc:
        log.info("logout.refused", extra={"reason": exc.code, "detail": exc.detail})
        return _told(_on_record(exc, asked))
    log.info("logout.obeyed", extra={"ended": ended})
    return HttpResponse(headers={"Cache-Control": "no-store"})


@public
@xframe_options_exempt  # the policy below says who may frame it, which this header cannot
@require_safe
def frontchannel(request: HttpRequest) -> HttpResponse:
    """End this browser's sign-in as a frame of the provider's page says.

    OpenID Connect Front-Channel Logout 1.0 section 3. Any page can send a browser here: without the
    issuer and the session of the very sign-in nothing happens, and nobody is told which it was.
    """
    signin: SignIn | None = request.signin  # type: ignore[attr-defined]  # our middleware's
    issuers, sids = request.GET.getlist("iss"), request.GET.getlist("sid")
    is_asked = request.method == "GET" and len(issuers) == len(sids) == 1
    if signin and is_asked and logout_obey_here(signin, iss=issuers[0], sid=sids[0]):
        auth.logout(request)
    response = HttpResponse(headers={"Cache-Control": "no-store"})
    response._csp_replace = {  # type: ignore[attr-defined]  # as its decorator does, at import
        "frame-ancestors": [origin_of(one.issuer) for one in identity_providers.every()]
    }
    return response


def _on_record(exc: AppError, asked: IdentityProvider) -> AppError:
    """Return what the caller is told; the refusal is on record, or counted, as it deserves."""
    if isinstance(exc, audit.AuditUnavailable):
        return exc
    try:
        strangers.refused_on_thread(
            audit.Event(
                "person.logout.refused",
                outcome="refused" if isinstance(exc, LogoutRefused) else "failed",
                reason=exc.code,
                client=asked.client_id,
                detail={"issuer": asked.issuer},
            )
        )
    except (strangers.TooManyRefusals, audit.AuditUnavailable) as worse:
        return worse
    return exc


def _told(exc: AppError) -> HttpResponse:
    """Return the JSON of a refusal (section 2.8), in English: a program reads it."""
    is_wrong = isinstance(exc, LogoutRefused)
    headers = {"Cache-Control": "no-store"}
    if isinstance(exc, Throttled):
        headers["Retry-After"] = str(exc.retry_after_s)
    with override("en"):
        told = {
            "error": "invalid_request" if is_wrong else exc.code,
            "error_description": f"{exc.message} Reference: {reference.current().id}",
        }
    # Whatever the reason, the specification knows one status. Only a limit has its own.
    return JsonResponse(
        told, status=exc.status if isinstance(exc, Throttled) else 400, headers=headers
    )
