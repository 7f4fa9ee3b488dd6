"""Refusals in the words of OAuth: RFC 6749 section 5.2, RFC 8628 section 3.5, RFC 8693 section 2.

One table says which error of the family each refusal of this site is. What is not in it is the
request's fault below 500 and this site's from there on.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import override

from agents.errors import AgentDisabled, WorkloadDisabled, WorkloadUnknown
from agents.keys.client_secrets import NotForOperators
from agents.keys.operations import OperationNotAllowed
from agents.keys.verification import SecretRefused
from agents.policies import PolicyDenied
from core.errors import AppError, Forbidden, InvalidRequest, Throttled, TooLarge
from core.secret import Secret
from vault.errors import (
    ProviderDisabled,
    ProviderNotAllowed,
    ProviderUnknown,
    ScopeRefused,
    TargetRefused,
)
from vault.flows.errors import ConsentEnded, ConsentExpired, ScopesNotGranted

_QUOTES = '"\\\u2018\u2019\u201c\u201d'
_BAD_REQUEST, _UNAVAILABLE, _BROKEN = 400, 503, 500
# Clients that poll wait for this long (RFC 8628 section 3.2).
_INTERVAL_S = 5


class GrantTypeUnsupported(InvalidRequest):
    """There is no such grant type here."""

    code = "unsupported_grant_type"


class ScopeInvalid(InvalidRequest):
    """What is asked for are no scopes."""

    code = "invalid_scope"


class TargetInvalid(InvalidRequest):
    """The audience or a resource is none that a token can be for."""

    code = "invalid_target"


class InteractionRequired(Forbidden):
    """A person has to consent first; `polled` says that the client knows, and asks again."""

    code = "interaction_required"
    message = (
        "The person has to consent at authorization_uri first. Ask again with session_uri until "
        "they have."
    )

    def __init__(self, *, authorization_url: Secret, session_uri: str, polled: bool) -> None:
        super().__init__()
        if polled:
            self.code = "authorization_pending"
        self.authorization_url = authorization_url
        self.session_uri = session_uri


_NAMES: dict[type[AppError], str] = {
    kind: name
    for name, kinds in {
        "access_denied": (ConsentEnded,),
        "expired_token": (ConsentExpired,),
        "invalid_client": (SecretRefused,),
        "invalid_scope": (ScopeInvalid, ScopeRefused, ScopesNotGranted),
        "invalid_target": (
            *(TargetInvalid, TargetRefused, ProviderUnknown),
            *(ProviderNotAllowed, ProviderDisabled),
        ),
        "unauthorized_client": (
            *(NotForOperators, OperationNotAllowed, PolicyDenied),
            *(AgentDisabled, WorkloadDisabled, WorkloadUnknown),
        ),
        "unsupported_grant_type": (GrantTypeUnsupported,),
    }.items()
    for kind in kinds
}


def status_of(refusal: AppError) -> int:
    """Return the status: 400, but for what HTTP itself has a word for (RFC 6749 section 5.2)."""
    says_more = isinstance(refusal, SecretRefused | TooLarge | Throttled)
    return refusal.status if says_more or refusal.status >= _BROKEN else _BAD_REQUEST


def headers_of(refusal: AppError) -> dict[str, str]:
    """Return the headers that go with a refusal."""
    if isinstance(refusal, SecretRefused):
        return {"www-authenticate": 'Basic realm="oauth2/token"'}
    if isinstance(refusal, Throttled):
        return {"retry-after": str(refusal.retry_after_s)}
    return {}


def body_of(refusal: AppError) -> dict[str, Any]:
    """Return the error, in English as all of the APIs are."""
    with override("en"):
        told: dict[str, Any] = {
            "error": _name_of(refusal),
            "error_description": _allowed(str(refusal.message)),
        }
    if isinstance(refusal, InteractionRequired):
        told |= {
            "authorization_uri": refusal.authorization_url.reveal(),
            "session_uri": refusal.session_uri,
            "interval": _INTERVAL_S,
        }
    return told


def _name_of(refusal: AppError) -> str:
    if isinstance(refusal, InteractionRequired):
        return refusal.code
    for kind in type(refusal).__mro__:
        if kind in _NAMES:
            return _NAMES[kind]
    if isinstance(refusal, Throttled) or refusal.status == _UNAVAILABLE:
        return "temporarily_unavailable"
    return "server_error" if refusal.status >= _BROKEN else "invalid_request"


def _allowed(text: str) -> str:
    """Return `text` without what RFC 6749 section 5.2 keeps out of a description."""
    plain = "".join("'" if char in _QUOTES else char for char in text)
    return plain.encode("ascii", "replace").decode()
