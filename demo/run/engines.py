"""PostgreSQL and Redis for the demo: embedded, or those that the environment names."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from embedded.instance import Instance
from embedded.postgres import Postgres
from embedded.process import Child, StartFailed
from embedded.redis import Redis

# The site's own database has this name where the engine is embedded; elsewhere it has the name in
# DATABASE_URL, and those of the demo's other sites are made beside it.
SITE_DATABASE = "daiko"


@dataclass(frozen=True)
class Urls:
    """Where each part finds its data."""

    site: str
    idp: str
    acme: str
    redis: str
    broker: str


class Embedded:
    """Engines of our own."""

    def __init__(self, instance: Instance) -> None:
        self._postgres = Postgres(instance, durable=True)
        self._redis = Redis(instance, durable=True)

    def children(self) -> Sequence[Child]:
        """Return what has to be started first."""
        return (self._postgres.child(), self._redis.child())

    def urls(self) -> Urls:
        """Return where the data is; makes the databases that are not there."""
        for name in (SITE_DATABASE, "idp", "acme"):
            self._postgres.database_ensure(name)
        return Urls(
            site=self._postgres.url(SITE_DATABASE),
            idp=self._postgres.url("idp"),
            acme=self._postgres.url("acme"),
            redis=self._redis.url,
            broker=self._redis.broker_url,
        )


class Given:
    """Engines of somebody else, who looks after them."""

    def __init__(self, *, database_url: str, redis_url: str, broker_url: str) -> None:
        self._database_url = database_url
        self._redis_url = redis_url
        self._broker_url = broker_url

    def children(self) -> Sequence[Child]:
        """Return nothing: they run already."""
        return ()

    def urls(self) -> Urls:
        """Return where the data is; makes the databases of the demo's other sites."""
        return Urls(
            site=self._database_url,
            idp=self._beside("idp"),
            acme=self._beside("acme"),
            redis=self._redis_url,
            broker=self._broker_url,
        )

    def _beside(self, suffix: str) -> str:
        parts = urlsplit(self._database_url)
        name = f"{parts.path.removeprefix('/')}_{suffix}"
        try:
            with psycopg.connect(self._database_url, autocommit=True) as connection:
                if not connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", (name,)
                ).fetchone():
                    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
                    connection.execute(create)
        except psycopg.Error as exc:
            raise StartFailed(
                "DATABASE_URL", f"the database {name} could not be made there: {exc}".strip()
            ) from None
        return parts._replace(path=f"/{name}").geturl()


def chosen(instance: Instance) -> Embedded | Given:
    """Return the engines that DATABASE_URL and REDIS_URL name, or our own where neither is set.

    Raises:
        StartFailed: only one of the two is set.
    """
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if database_url and redis_url:
        broker_url = os.environ.get("CELERY_BROKER_URL") or redis_url
        return Given(database_url=database_url, redis_url=redis_url, broker_url=broker_url)
    if database_url or redis_url:
        raise StartFailed("engines", "set both DATABASE_URL and REDIS_URL, or neither")
    return Embedded(instance)
