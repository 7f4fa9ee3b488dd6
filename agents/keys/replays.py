"""Signatures that were used: what changes something is not done again later with one of them.

SigV4 lets a request be replayed for five minutes, and a presigned one for as long as it says. That
harms nobody where it only reads, or issues the same once more. A deletion replayed after its
object was made again, or a call of an agent replayed later, does: so the signature of such a
request is put down before it is acted on, and is good for a moment from then.

For a moment, and not once: a signature tells the second and not the attempt, so that a client which
retries at once, or asks twice for the same, sends the very same request.
"""

from __future__ import annotations

import time
from datetime import datetime

import psycopg
from django.utils import timezone

from core import database
from core.recent import RegistryUnavailable
from core.wire.sigv4 import MAX_SKEW

_SWEEP_EVERY_S = 60
MOMENT_S = 2
_USE = """
    INSERT INTO agents_spentsignature (signature, good_until) VALUES (%s, %s)
    ON CONFLICT (signature) DO UPDATE SET signature = excluded.signature
    RETURNING first_at > statement_timestamp() - make_interval(secs => %s)
"""
_SWEEP = "DELETE FROM agents_spentsignature WHERE good_until < %s"


class _Swept:
    """When this process last deleted what cannot be replayed any more."""

    at_s = 0.0


async def is_fresh(signature: str, *, good_until: datetime) -> bool:
    """Put the signature down, and say whether it was not there longer than a moment ago.

    It stays until no process takes it any more, whose clocks may differ.

    Raises:
        RegistryUnavailable: nobody can say, so nothing may be done.
    """
    try:
        pool = await database.pool()
        async with pool.connection() as connection:
            values = (bytes.fromhex(signature), good_until, MOMENT_S)
            used = await (await connection.execute(_USE, values)).fetchone()
            if time.monotonic() - _Swept.at_s > _SWEEP_EVERY_S:
                _Swept.at_s = time.monotonic()
                await connection.execute(_SWEEP, [timezone.now() - MAX_SKEW])
    except psycopg.Error as exc:
        raise RegistryUnavailable(detail=type(exc).__name__) from exc
    return used is not None and bool(used[0])
