"""The queue of runs: a Redis stream that the executors of all processes read as one group.

It only says that there is work. Whether a run may still be begun is decided by its row, so that an
id that comes twice, or is lost, does no harm: nothing is acknowledged, and what stays queued for
too long is put on the queue again.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import redis

from portal.runs.stream import connected, sync_client

_KEY = "daiko:runs"
_GROUP = "executors"
_MAX_LENGTH = 10_000
_AGAIN_S = 30
_PATIENCE_S = 5.0


def put(run_id: UUID) -> None:
    """Queue a run. Raises redis.RedisError."""
    sync_client().xadd(_KEY, {"run": str(run_id)}, maxlen=_MAX_LENGTH, approximate=True)


async def prepare() -> None:
    """Make the group, unless there is one. Raises redis.RedisError."""
    try:
        async with connected() as redis_here:
            await redis_here.xgroup_create(_KEY, _GROUP, id="0", mkstream=True)
    except redis.ResponseError as exc:
        if "BUSYGROUP" not in str(exc):
            raise


async def take(*, wait_s: float) -> UUID | None:
    """Return the next run that no executor was given, or None when none came in `wait_s`.

    Raises:
        redis.RedisError: Redis is away, or the group was lost with its data.
    """
    async with connected(patience_s=wait_s + _PATIENCE_S) as redis_here:
        found: Any = await redis_here.xreadgroup(
            _GROUP, "executor", {_KEY: ">"}, count=1, block=int(wait_s * 1000), noack=True
        )
        if not found:
            return None
        [[_key, [(entry_id, fields)]]] = found
        await redis_here.xdel(_KEY, entry_id)
    return UUID(fields["run"])


async def put_again(run_id: UUID) -> None:
    """Queue a run that may have been lost, but not over and over. Raises redis.RedisError."""
    async with connected() as redis_here:
        if await redis_here.set(f"daiko:run:{run_id}:again", "1", nx=True, ex=_AGAIN_S):
            await redis_here.xadd(_KEY, {"run": str(run_id)}, maxlen=_MAX_LENGTH, approximate=True)
