"""When each access key was last used, to the minute, without a write for each call."""

from __future__ import annotations

import logging
import time

import psycopg

from core import database

log = logging.getLogger(__name__)

_PRECISION_S = 60
_NOTE = (
    "UPDATE agents_accesskey SET last_used_at = now() WHERE access_key_id = %s "
    "AND (last_used_at IS NULL OR last_used_at < now() - make_interval(secs => %s))"
)
# Of keys with which somebody did sign: there are as many as the site has made.
_noted: dict[str, float] = {}


async def note(access_key_id: str) -> None:
    """Keep that the key was used just now, unless this or another process did within a minute.

    A use that could not be kept is logged, and kept with the next one.
    """
    if time.monotonic() - _noted.get(access_key_id, -_PRECISION_S) < _PRECISION_S:
        return
    try:
        pool = await database.pool()
        async with pool.connection() as connection:
            await connection.execute(_NOTE, [access_key_id, _PRECISION_S])
    except psycopg.Error as exc:
        log.warning("access_key.use_not_noted", extra={"detail": type(exc).__name__})
    else:
        _noted[access_key_id] = time.monotonic()


def forget() -> None:
    """Let the next use of each key be kept."""
    _noted.clear()
