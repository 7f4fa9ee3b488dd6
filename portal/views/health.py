"""What a load balancer asks. Nothing here tells more than yes or no."""

from __future__ import annotations

import logging

import redis
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from psycopg_pool import PoolTimeout

from core import crypto, keyring
from core.errors import AppError
from portal.runs import stream
from portal.views.access import public

log = logging.getLogger(__name__)

_PROBE = crypto.Binding("readiness", "", "probe", "")


@public
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Say that the process answers."""
    return JsonResponse({"status": "ok"})


@public
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Say whether database, Redis and key ring can be used: 200, or 503."""
    parts = {"database": _database(), "redis": _redis(), "key_ring": _key_ring()}
    ready = all(parts.values())
    if not ready:
        log.warning(
            "not_ready", extra={"parts": [name for name, good in parts.items() if not good]}
        )
    return JsonResponse(
        {"status": "ok" if ready else "unavailable", **parts}, status=200 if ready else 503
    )


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, PoolTimeout):
        return False
    return True


def _redis() -> bool:
    try:
        return bool(stream.sync_client().ping())
    except redis.RedisError:
        return False


def _key_ring() -> bool:
    try:
        keyring.current()
        sealed = crypto.seal("ready", bound_to=_PROBE)
        return crypto.open_sealed(sealed, bound_to=_PROBE).reveal() == "ready"
    except (ImproperlyConfigured, AppError, DatabaseError, PoolTimeout):
        return False
