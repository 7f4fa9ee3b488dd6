"""What a load balancer asks. Nothing here tells more than yes or no."""

from __future__ import annotations

import logging

import redis
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from psycopg_pool import PoolTimeout

from core import crypto, keyring, wrapping
from core.errors import AppError
from core.key_errors import KeyMissing, KeyUnavailable
from core.models import DataKey
from portal.runs import stream
from portal.views.access import public

log = logging.getLogger(__name__)

_PROBES = [crypto.Binding("readiness", "", "probe", "", vault=vault) for vault in (False, True)]


@public
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Say that the process answers."""
    return JsonResponse({"status": "ok"})


@public
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Say whether database, Redis and keys can be used: 200, or 503 with the keys that are missing.

    Of a key in KMS its id is told, and not the account that it belongs to.
    """
    missing: set[str] = set()
    parts = {"database": _database(), "redis": _redis(), "key_ring": _keys(missing)}
    if all(parts.values()):
        return JsonResponse({"status": "ok", **parts})
    lacking = [name for name, good in parts.items() if not good]
    log.warning("not_ready", extra={"parts": lacking, "missing_keys": sorted(missing)})
    told = {"missing_keys": sorted(name.rpartition("/")[2] for name in missing)} if missing else {}
    return JsonResponse({"status": "unavailable", **parts, **told}, status=503)


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


def _keys(missing: set[str]) -> bool:
    """Say whether everything can be sealed and opened, and put what is `missing` into that set."""
    try:
        missing |= {
            kek_id
            for kek_id in DataKey.objects.values_list("kek_id", flat=True).distinct()
            if not wrapping.is_in_kms(kek_id) and kek_id not in keyring.current().keys
        }
        for probe in _PROBES:
            _seal_and_open(probe, missing)
    except (ImproperlyConfigured, AppError, DatabaseError, PoolTimeout):
        return False
    return not missing


def _seal_and_open(probe: crypto.Binding, missing: set[str]) -> None:
    try:
        crypto.open_sealed(crypto.seal("ready", bound_to=probe), bound_to=probe)
    except (KeyMissing, KeyUnavailable) as exc:
        missing.add(exc.key)
