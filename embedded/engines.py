"""Both engines together, as the tests use them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from embedded.instance import Instance
from embedded.postgres import Postgres
from embedded.process import Child, start_all, stop_all
from embedded.redis import Redis


@dataclass(frozen=True)
class Engines:
    """Both engines of one instance, and their processes."""

    postgres: Postgres
    redis: Redis
    children: Sequence[Child]


@contextmanager
def running(instance: Instance, *, durable: bool, keeps_all: bool = False) -> Iterator[Engines]:
    """Run PostgreSQL and Redis in `instance` for as long as the block runs.

    `keeps_all`: whatever is written stays in the engines' own logs of changes, also what is
    rolled back, changed or deleted later, for whoever searches them.

    Raises:
        StartFailed: one of them does not start; the other is stopped again.
    """
    postgres = Postgres(instance, durable=durable, keeps_all=keeps_all)
    redis = Redis(instance, durable=durable, keeps_all=keeps_all)
    engines = Engines(postgres, redis, children=(postgres.child(), redis.child()))
    try:
        start_all(engines.children)
        yield engines
    finally:
        stop_all(engines.children)
