"""The page at which a consent ends: connected, or not, and then why and what to do.

Both sides of the journey end here, so that the same thing is said in the same words.
"""

from __future__ import annotations

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core import reference
from core.errors import AppError, Forbidden
from vault.errors import (
    AnswerInvalid,
    ProviderUnavailable,
    ProviderUnknown,
    SessionBusy,
    SessionUnknown,
)
from vault.flows.errors import ConsentEnded
from vault.models import ConsentSession

log = logging.getLogger(__name__)

_TEMPLATE = "portal/consent_done.html"
_STATUS = {
    "denied": 200,
    "expired": 410,
    "used": 410,
    "withdrawn": 410,
    "wrong_person": 403,
    "wrong_browser": 403,
    "failed": 502,
}
# They tell nothing of the request to whoever holds its link.
_STRANGERS = {"wrong_person", "wrong_browser"}


def connected(request: HttpRequest, session: ConsentSession, *, chat_url: str) -> HttpResponse:
    """Return the page that tells the person who was asked that they are connected."""
    return render(
        request, _TEMPLATE, {"outcome": "granted", "chat_url": chat_url, **_names(session)}
    )


def connected_at_aws(request: HttpRequest, agent_name: str, *, chat_url: str) -> HttpResponse:
    """Return the page that tells the person that what they consented to is complete at AWS."""
    told = {"outcome": "granted_at_aws", "agent": agent_name, "chat_url": chat_url}
    return render(request, _TEMPLATE, told)


def not_connected(
    request: HttpRequest, error: AppError, *, chat_url: str = "", outcome: str = ""
) -> HttpResponse:
    """Return the page for a refusal, with its status and its reference. Logs it.

    `outcome` is that of a consent which is at AWS, and of which this room knows nothing.
    """
    at_aws, outcome = bool(outcome), outcome or _outcome(error)
    log.info("vault.consent.refused", extra={"reason": error.code, "detail": error.detail})
    told: dict[str, Any] = {
        "outcome": outcome,
        "reference": reference.current().id,
        "chat_url": chat_url,
        "at_aws": at_aws,
    }
    if at_aws:
        return render(request, _TEMPLATE, told, status=error.status)
    if not isinstance(error, ConsentEnded):
        return render(request, _TEMPLATE, told, status=error.status)
    told["notice"] = error.notice
    if outcome not in _STRANGERS:
        told |= _names(error.session)
    return render(request, _TEMPLATE, told, status=_STATUS[outcome])


def _outcome(error: AppError) -> str:
    match error:
        case ConsentEnded() | AnswerInvalid():
            return error.outcome
        case SessionUnknown():
            return "unknown"
        case SessionBusy():
            return "unfinished"
        case ProviderUnavailable():
            return "away"
        case Forbidden() | ProviderUnknown():
            return "closed"
        case _:
            return "failed"


def _names(session: ConsentSession) -> dict[str, str]:
    return {"agent": session.agent_name, "provider": session.provider.display_name}
