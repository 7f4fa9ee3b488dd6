"""Who is executing a run right now, and whether somebody asked it to stop.

Both stand in Redis under the run's id. A lease that is not renewed says that its process is gone;
it is never taken over, since a run is begun only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from portal.runs.stream import connected, sync_client

# Gone this long after the last sign of life.
LEASE_S = 6
_STOP_KEPT_S = 3600


@dataclass(frozen=True, slots=True)
class Signs:
    """What Redis says of runs that this process executes."""

    stop: frozenset[UUID]
    lost: frozenset[UUID]


def _lease(run_id: UUID) -> str:
    return f"daiko:run:{run_id}:lease"


def _stop(run_id: UUID) -> str:
    return f"daiko:run:{run_id}:stop"


async def take(run_id: UUID) -> None:
    """Say that this process executes the run. Raises redis.RedisError."""
    async with connected() as redis_here:
        await redis_here.set(_lease(run_id), "1", ex=LEASE_S)


async def drop(run_id: UUID) -> None:
    """Say that the run is executed no more. Raises redis.RedisError."""
    async with connected() as redis_here:
        await redis_here.delete(_lease(run_id), _stop(run_id))


async def renew(run_ids: Sequence[UUID]) -> Signs:
    """Renew the leases of `run_ids` and return what is to be known of them.

    Raises:
        redis.RedisError: Redis is away, and nothing is known.
    """
    async with connected() as redis_here, redis_here.pipeline(transaction=False) as pipe:
        for run_id in run_ids:
            pipe.expire(_lease(run_id), LEASE_S)
            pipe.exists(_stop(run_id))
        answers = await pipe.execute()
    return Signs(
        stop=frozenset(r for r, asked in zip(run_ids, answers[1::2], strict=True) if asked),
        lost=frozenset(r for r, renewed in zip(run_ids, answers[0::2], strict=True) if not renewed),
    )


async def without(run_ids: Sequence[UUID]) -> list[UUID]:
    """Return those of `run_ids` that no process executes. Raises redis.RedisError."""
    async with connected() as redis_here, redis_here.pipeline(transaction=False) as pipe:
        for run_id in run_ids:
            pipe.exists(_lease(run_id))
        answers = await pipe.execute()
    return [run_id for run_id, leased in zip(run_ids, answers, strict=True) if not leased]


async def is_stopping(run_id: UUID) -> bool:
    """Say whether somebody asked that the run stops. Raises redis.RedisError."""
    async with connected() as redis_here:
        return bool(await redis_here.exists(_stop(run_id)))


def is_asked_to_stop(run_id: UUID) -> bool:
    """Say the same where nothing else runs meanwhile. Raises redis.RedisError."""
    return bool(sync_client().exists(_stop(run_id)))


def ask_to_stop(run_id: UUID) -> None:
    """Ask whoever executes the run to stop it. Raises redis.RedisError."""
    sync_client().set(_stop(run_id), "1", ex=_STOP_KEPT_S)
