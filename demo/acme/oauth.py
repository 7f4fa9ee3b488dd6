"""The addresses of the authorization server."""

from __future__ import annotations

from typing import cast

from authlib.oauth2 import OAuth2Error
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from demo.acme import environment, faults
from demo.acme.accounts import account_of
from demo.acme.exchange import CLIENT_AUTH_METHODS
from demo.acme.models import LedgerEntry
from demo.acme.scopes import GRANT_TYPES, SCOPES, SERVICE_SCOPES, words
from demo.acme.server import Revocation, TracedRequest, issuer, server


@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """Ask the person whether the client may do what it asks (RFC 6749 section 4.1.1).

    A request that is not as registered is refused on a page of ours; every other refusal goes back
    to the client. The form is posted to the address it came from, so that both are one request.
    """
    account = account_of(request)
    try:
        grant = server.get_consent_grant(request, end_user=account)
    except OAuth2Error as error:
        if not error.redirect_uri:
            return render(request, "acme/refused.html", {"error": error}, status=400)
        refusal = server.handle_error_response(TracedRequest(request), error)
        issuer.add_issuer_parameter(server, refusal)
        return refusal
    if account is None:
        return redirect_to_login(request.get_full_path())
    if request.method == "POST":
        allowed = request.POST.get("decision") == "allow"
        return cast(
            HttpResponse,
            server.create_authorization_response(
                grant.request, grant_user=account if allowed else None, grant=grant
            ),
        )
    context = {"client": grant.client, "allowed_to": words(grant.request.scope)}
    return render(request, "acme/consent.html", context)


@csrf_exempt  # the client authenticates itself; there is no cookie in this
@require_POST
def token(request: HttpRequest) -> HttpResponseBase:
    """Exchange a code or a refresh token (RFC 6749 sections 4.1.3 and 6), and write it down."""
    fault = faults.take()
    if fault and (early := fault.instead_of_work()):
        _ledger_record(request, outcome=f"fault_{fault.kind}")
        return early
    traced = TracedRequest(request)
    with transaction.atomic():
        response = cast(HttpResponse, server.create_token_response(traced))
    _ledger_record(request, outcome=traced.outcome, traced=traced)
    return (fault and fault.instead_of_answer()) or response


@csrf_exempt  # as above
@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """Revoke a token of the client that asks (RFC 7009)."""
    with transaction.atomic():
        return cast(
            HttpResponse, server.create_endpoint_response(Revocation.ENDPOINT_NAME, request)
        )


@require_safe
def metadata(request: HttpRequest) -> JsonResponse:
    """Describe this server (RFC 8414, RFC 9207 section 3)."""
    return JsonResponse(
        {
            "issuer": environment.URL,
            "authorization_endpoint": environment.URL + reverse("authorize"),
            "token_endpoint": environment.URL + reverse("token"),
            "token_endpoint_auth_methods_supported": CLIENT_AUTH_METHODS,
            "revocation_endpoint": environment.URL + reverse("revoke"),
            "revocation_endpoint_auth_methods_supported": CLIENT_AUTH_METHODS,
            "scopes_supported": [*SCOPES, *SERVICE_SCOPES],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": GRANT_TYPES,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        },
        headers={"Cache-Control": "public, max-age=300"},
    )


def _ledger_record(
    request: HttpRequest, *, outcome: str, traced: TracedRequest | None = None
) -> None:
    LedgerEntry.objects.create(
        at=timezone.now(),
        grant_type=request.POST.get("grant_type", "")[:64],
        outcome=outcome,
        family=traced.family if traced else None,
    )
