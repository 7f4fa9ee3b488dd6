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
def running(instance: Instance, *, durable: bool) -> Iterator[Engines]:
    """Run PostgreSQL and Redis in `instance` for as long as the block runs.

    Raises:
        StartFailed: one of them does not start; the other is stopped again.
    """
    postgres, redis = Postgres(instance, durable=durable), Redis(instance, durable=durable)
    engines = Engines(postgres, redis, children=(postgres.child(), redis.child()))
    try:
        start_all(engines.children)
        yield engines
    finally:
        stop_all(engines.children)
