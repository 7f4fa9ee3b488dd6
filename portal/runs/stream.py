"""A run's events in Redis: appended by whoever has news, read by every tab that shows the run.

The stream is a picture and not a diary: a newer version of a block takes the place of the older, so
that it stays as small as the answer is and a tab that comes late reads no history.
"""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import redis
import redis.asyncio
from django.conf import settings

# What one run may leave behind; an answer has a few hundred blocks and tools.
_MAX_EVENTS = 5000
_KEPT_S = 24 * 3600
_CONNECT_S = 3.0
_PATIENCE_S = 5.0

START = "0-0"
# A text's block, any other part, and the end. `status` says that a run is queued, or running.
BLOCK, PART, FINISHED = "block", "part", "finished"

AsyncRedis = redis.asyncio.Redis
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncRedis] = (
    weakref.WeakKeyDictionary()
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a tab gets it. `id` orders it within its run."""

    id: str
    name: str
    data: str  # JSON


@cache
def sync_client() -> redis.Redis:
    """Return this process's client for callers without an event loop."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_connect_timeout=_CONNECT_S,
        socket_timeout=_PATIENCE_S,
    )


@asynccontextmanager
async def connected(*, patience_s: float = _PATIENCE_S) -> AsyncIterator[AsyncRedis]:
    """Yield the running event loop's client, for a block that may take `patience_s`.

    The client's own timeout is not used: it waits with `asyncio.wait_for`, which in Python 3.11
    may lose the news that its task was cancelled, and a run would not stop.

    Raises:
        redis.TimeoutError: the block took longer.
    """
    try:
        async with asyncio.timeout(patience_s):
            yield _client()
    except TimeoutError:
        raise redis.TimeoutError("Redis does not answer") from None


def _client() -> AsyncRedis:
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        found = _clients[loop] = redis.asyncio.Redis.from_url(
            settings.REDIS_URL,
            decode_responses=True,
            socket_connect_timeout=_CONNECT_S,
            socket_timeout=None,
        )
    return found


async def close() -> None:
    """Close the running event loop's client, if it was made."""
    found = _clients.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.aclose()


def key_of(run_id: UUID) -> str:
    """Return the key of a run's stream."""
    return f"daiko:run:{run_id}"


async def append(
    run_id: UUID, name: str, data: Mapping[str, Any], *, replacing: str | None = None
) -> str:
    """Append an event and return its id; the event `replacing` goes in the same moment.

    Raises:
        redis.RedisError: it was not stored.
    """
    async with connected() as redis_here, redis_here.pipeline(transaction=True) as pipe:
        _append(pipe, run_id, name, data)
        if replacing is not None:
            pipe.xdel(key_of(run_id), replacing)
        return str((await pipe.execute())[0])


def append_sync(run_id: UUID, name: str, data: Mapping[str, Any]) -> None:
    """Append an event, for a caller without an event loop. Raises redis.RedisError."""
    with sync_client().pipeline(transaction=True) as pipe:
        _append(pipe, run_id, name, data)
        pipe.execute()


def put_sync(run_id: UUID, name: str, data: Mapping[str, Any], *, place: int) -> None:
    """Append an event, and drop the one that was put at `place` before.

    Of two at once both may stay: the newer one is read last, and counts.

    Raises:
        redis.RedisError: it was not stored.
    """
    client, places = sync_client(), f"{key_of(run_id)}:places"
    before = client.hget(places, str(place))
    with client.pipeline(transaction=True) as pipe:
        _append(pipe, run_id, name, data)
        if before is not None:
            pipe.xdel(key_of(run_id), str(before))
        event_id = str(pipe.execute()[0])
    with client.pipeline(transaction=True) as pipe:
        pipe.hset(places, str(place), event_id)
        pipe.expire(places, _KEPT_S)
        pipe.execute()


def _append(pipe: Any, run_id: UUID, name: str, data: Mapping[str, Any]) -> None:
    key = key_of(run_id)
    fields = {"event": name, "data": json.dumps(data, ensure_ascii=False)}
    pipe.xadd(key, fields, maxlen=_MAX_EVENTS, approximate=True)
    pipe.expire(key, _KEPT_S)


async def read(run_id: UUID, *, after: str, wait_s: float) -> list[Event]:
    """Return the events after the id `after`, waiting up to `wait_s` for the first.

    Raises:
        redis.RedisError: Redis is away.
    """
    async with connected(patience_s=wait_s + _PATIENCE_S) as redis_here:
        found: Any = await redis_here.xread(
            {key_of(run_id): after}, count=500, block=int(wait_s * 1000)
        )
    if not found:
        return []
    [[_key, entries]] = found
    return [Event(entry_id, fields["event"], fields["data"]) for entry_id, fields in entries]
