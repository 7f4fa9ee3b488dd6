"""What our JSON APIs share: the default guard, and the shape of an error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.http import Http404
from rest_framework import exceptions
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import AppError, Throttled

if TYPE_CHECKING:
    # It reads the settings that name this module, so it cannot be imported by it.
    from rest_framework.views import APIView

log = logging.getLogger(__name__)


class DenyAll(BasePermission):
    """Refuses everybody: an API that forgets to state its guard is closed."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return False."""
        return False


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Return `{"error": code, "message": sentence}` for what a client may know, else None."""
    if isinstance(exc, AppError):
        log.info("api.refused", extra={"error": exc.code, "detail": exc.detail})
        later = {"Retry-After": str(exc.retry_after_s)} if isinstance(exc, Throttled) else None
        told = {"error": exc.code, "message": str(exc.message)}
        return Response(told, status=exc.status, headers=later)
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    if isinstance(exc, exceptions.APIException):
        body: dict[str, Any] = {"error": exc.default_code, "message": str(exc.detail)}
        if isinstance(exc, exceptions.ValidationError):
            body = {
                "error": "invalid",
                "message": _first_sentence(exc.detail),
                "fields": exc.detail,
            }
        return Response(body, status=exc.status_code)
    return None


def _first_sentence(detail: Any) -> str:
    while isinstance(detail, dict | list) and detail:
        detail = next(iter(detail.values())) if isinstance(detail, dict) else detail[0]
    return str(detail)
