"""What the site stands on, looked at before it starts: an address, engines, and their tables.

Every answer is a sentence for whoever starts the site, or nothing where all is well.
"""

from __future__ import annotations

import socket

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from core import wrapping
from core.errors import AppError
from core.models import DataKey
from portal.unreachable import TIMEOUT_S, database_fault, first_line


def faults(*, host: str, port: int) -> list[str]:
    """Return what is missing; asks PostgreSQL and Redis, and waits a few seconds for either."""
    # Tables are asked for where there is a database.
    found = [
        database_fault() or _migration_fault() or key_fault(),
        _redis_fault(),
        _address_fault(host, port),
    ]
    return [fault for fault in found if fault]


def _migration_fault() -> str:
    """Return which command brings the tables up to date; tables of a newer version are fine."""
    try:
        executor = MigrationExecutor(connection)
        lacking = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as exc:
        return f"DATABASE_URL names a database that cannot be read ({first_line(exc)})."
    finally:
        connection.close()
    if not lacking:
        return ""
    return (
        f"DATABASE_URL names a database that lacks {len(lacking)} migrations: "
        "run `python manage.py migrate` first."
    )


def key_fault() -> str:
    """Return which key in KMS does not answer; keys of the ring were read before this."""
    if not settings.VAULT_KMS_KEY_ARN:
        return ""
    try:
        wrapping.unwrap(
            wrapping.new_data_key(DataKey.Purpose.SITE, kek_id=settings.VAULT_KMS_KEY_ARN)
        )
    except AppError as exc:
        return (
            f"VAULT_KMS_KEY_ARN names a key that cannot be used ({exc.detail}): see that this "
            "site's AWS credentials may Encrypt and Decrypt with it."
        )
    return ""


def _redis_fault() -> str:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    ) as client:
        try:
            client.ping()
        except redis.RedisError as exc:
            return (
                f"REDIS_URL names a Redis that cannot be reached ({first_line(exc)}): "
                "see that Redis runs there, and takes this user."
            )
    return ""


def _address_fault(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as listener:
            # As the server does it: connections that are fading out do not count.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
    except OSError as exc:
        return (
            f"HOST and PORT name an address where nothing can be served, {host} port {port} "
            f"({exc.strerror}): name another one, or stop what listens there."
        )
    return ""
