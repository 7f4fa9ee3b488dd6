"""The calendar API: bearer tokens and nothing else (RFC 6750)."""

from __future__ import annotations

from datetime import date

from authlib.integrations.django_oauth2 import BearerTokenValidator, ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import MissingAuthorizationError, UnsupportedTokenTypeError
from authlib.oauth2.rfc6750 import InsufficientScopeError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from demo.acme.models import AccessToken, Account, ServiceToken, digest
from demo.acme.roster import events
from demo.acme.scopes import READ, STATUS

REALM = "acme-calendar"


class HashedTokenValidator(BearerTokenValidator):
    """Looks a token up by its hash."""

    def authenticate_token(self, token_string: str) -> AccessToken | None:
        return (
            AccessToken.objects.select_related("authorization__account")
            .filter(token_hash=digest(token_string))
            .first()
        )


class ServiceTokenValidator(BearerTokenValidator):
    """Looks a client's own token up by its hash."""

    def authenticate_token(self, token_string: str) -> ServiceToken | None:
        return ServiceToken.objects.filter(token_hash=digest(token_string)).first()


protector = ResourceProtector()
protector.register_token_validator(HashedTokenValidator(AccessToken, realm=REALM))
service_protector = ResourceProtector()
service_protector.register_token_validator(ServiceTokenValidator(ServiceToken, realm=REALM))


@require_safe
def list_events(request: HttpRequest) -> JsonResponse:
    """Answer the events of one day, of the account that the token is for."""
    try:
        token: AccessToken = protector.acquire_token(request, READ)
    except OAuth2Error as error:
        return _refusal(error)
    today = timezone.now().date()
    try:
        day = date.fromisoformat(request.GET["day"]) if "day" in request.GET else today
    except ValueError:
        return JsonResponse({"error": "invalid_day", "message": "day is YYYY-MM-DD"}, status=400)
    email = token.authorization.account.email
    return JsonResponse(
        {
            "account": email,
            "day": day.isoformat(),
            "events": events(email, day=day, today=today),
        }
    )


@require_safe
def status(request: HttpRequest) -> JsonResponse:
    """Answer how the service is, to a client that asks as itself."""
    try:
        service_protector.acquire_token(request, STATUS)
    except OAuth2Error as error:
        return _refusal(error, STATUS)
    return JsonResponse({"status": "open", "accounts": Account.objects.count()})


def _refusal(error: OAuth2Error, wanted: str = READ) -> JsonResponse:
    """Return the answer of RFC 6750 section 3; Authlib's lacks the header for a missing scope."""
    challenge = f'Bearer realm="{REALM}"'
    if isinstance(error, MissingAuthorizationError | UnsupportedTokenTypeError):
        # No error code for a request without a bearer token (section 3.1).
        return _json_refusal(401, "unauthorized", challenge)
    if isinstance(error, InsufficientScopeError):
        challenge += f', error="insufficient_scope", scope="{wanted}"'
        return _json_refusal(403, "insufficient_scope", challenge)
    return _json_refusal(401, "invalid_token", f'{challenge}, error="invalid_token"')


def _json_refusal(status: int, error: str, challenge: str) -> JsonResponse:
    return JsonResponse({"error": error}, status=status, headers={"WWW-Authenticate": challenge})
