"""Which Celery workers are alive: each says so in Redis, every few seconds.

A worker is not asked: one that is dead would keep whoever asks waiting. What a worker has said is
read instead, and one that says nothing any more is told of for a day.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from celery.signals import heartbeat_sent, worker_shutdown

from portal.runs import stream

log = logging.getLogger(__name__)

_KEY = "daiko:workers"
_EVERY_S, _ALIVE_S, _TOLD_S = 5.0, 30.0, 86400
_said: dict[str, Any] = {"name": "", "at": 0.0}  # one worker is one process


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process, by the name Celery knows it by and its process id."""

    name: str
    seen_at: datetime
    is_alive: bool


def workers(*, at: datetime) -> list[Worker] | None:
    """Return the workers of the last day, the latest heard of first; None: Redis is away.

    One that is silent is not told of while another process of the same name is alive.
    """
    oldest = at.timestamp() - _TOLD_S
    try:
        # redis-py types each command as for both kinds of client
        found: list[tuple[str, float]] = stream.sync_client().zrevrangebyscore(  # type: ignore[assignment]
            _KEY, "+inf", oldest, withscores=True
        )
    except redis.RedisError as exc:
        log.warning("workers.unknown", extra={"detail": type(exc).__name__})
        return None
    heard = [
        Worker(name, datetime.fromtimestamp(said, UTC), at.timestamp() - said < _ALIVE_S)
        for name, said in found
    ]
    # One that died and was started again is not missed: it says so as another process.
    alive = {_node(worker.name) for worker in heard if worker.is_alive}
    return [worker for worker in heard if worker.is_alive or _node(worker.name) not in alive]


@heartbeat_sent.connect(dispatch_uid="portal.workers")
def say(sender: object, **_: object) -> None:
    """Say that this worker is alive, unless it did just now. What Redis does not take is lost."""
    now = time.time()
    if now - _said["at"] < _EVERY_S:
        return
    _said.update(name=_name(sender), at=now)
    try:
        with stream.sync_client().pipeline(transaction=False) as told:
            told.zadd(_KEY, {_said["name"]: now})
            told.zremrangebyscore(_KEY, "-inf", now - _TOLD_S)
            told.execute()
    except redis.RedisError as exc:
        log.warning("workers.not_said", extra={"detail": type(exc).__name__})


@worker_shutdown.connect(dispatch_uid="portal.workers")
def leave(**_: object) -> None:
    """Have this worker forgotten: it was stopped, and is not missed."""
    if not _said["name"]:
        return
    try:
        stream.sync_client().zrem(_KEY, _said["name"])
    except redis.RedisError as exc:
        log.warning("workers.not_said", extra={"detail": type(exc).__name__})
    _said.update(name="", at=0.0)


def _name(heart: object) -> str:
    hostname = getattr(getattr(heart, "eventer", None), "hostname", "worker")
    return f"{hostname} ({os.getpid()})"


def _node(name: str) -> str:
    return name.rpartition(" (")[0]
