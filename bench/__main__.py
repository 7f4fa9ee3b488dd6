"""`make bench`: engines, the site, and one measurement after the other."""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.report import Row, machine, table
from embedded.engines import running
from embedded.instance import Instance, held_temporarily
from embedded.postgres import VERSION
from embedded.process import Child, start_all, stop_all

CHECKOUT = Path(__file__).resolve().parent.parent
# Each is a module that is run with the site's environment, and prints its rows as JSON.
ROOMS = ("token_read", "refresh")


def main() -> int:
    """Measure what the arguments name, and print the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=ROOMS, action="append", help="these rooms, and no others")
    parser.add_argument("--seconds", type=float, default=10, help="how long each row is measured")
    parser.add_argument("--connections", type=int, default=8, help="requests under way at once")
    parser.add_argument("--workers", type=int, default=2, help="processes of the site")
    parser.add_argument(
        "--grants", type=int, nargs="+", default=[1_000, 1_000_000], help="grants in the table"
    )
    asked = parser.parse_args()
    about = machine()
    with _site(workers=asked.workers) as env:
        rows = [row for room in asked.only or ROOMS for row in _measured(room, asked, env)]
    _say(table(rows))
    _say(f"\n{about}; PostgreSQL {VERSION}, fsync on; {asked.workers} web processes")
    _say(f"python -m bench {shlex.join(sys.argv[1:])}".rstrip())
    return 1 if any(row.refused for row in rows) else 0


@contextmanager
def _site(*, workers: int) -> Iterator[dict[str, str]]:
    """Run engines, the site and the bare server; yield the environment of those who measure."""
    with (
        held_temporarily(CHECKOUT / "var" / "bench") as instance,
        running(instance, durable=True) as engines,
    ):
        engines.postgres.database_ensure("daiko")
        env = {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "VAULT_KEYS": f"bench:{base64.b64encode(secrets.token_bytes(32)).decode()}",
            "DATABASE_URL": engines.postgres.url("daiko"),
            "REDIS_URL": engines.redis.url,
            "CELERY_BROKER_URL": engines.redis.broker_url,
            "OIDC_ISSUER": "https://issuer.invalid",
            "OIDC_CLIENT_ID": "bench",
            "OIDC_CLIENT_SECRET": secrets.token_urlsafe(24),
            "DAIKO_STATIC_ROOT": str(instance.home / "static"),
            "LOG_LEVEL": "WARNING",
            "BENCH_HOME": str(instance.home),
        }
        site, bare = _free_port(), _free_port()
        migrate = _child(instance, "migrate", ["manage.py", "migrate", "-v0"], env)
        migrate.errand = True
        start_all([migrate])
        count = ["--workers", str(workers)]
        servers = [
            _child(
                instance, "site", ["manage.py", "serve", "--port", str(site), *count], env, site
            ),
            _child(instance, "bare", [*_BARE, "--port", str(bare), *count], env, bare),
        ]
        try:
            start_all(servers)
            programs = {child.name: child.pid for child in (*engines.children, *servers)}
            yield env | {
                "BENCH_SITE_PORT": str(site),
                "BENCH_BARE_PORT": str(bare),
                "BENCH_PROGRAMS": json.dumps(programs),
            }
        finally:
            stop_all(servers)


# Served as `manage.py serve` serves the site.
_BARE = (
    *("-m", "granian", "bench.bare:application", "--interface", "asginl", "--loop", "uvloop"),
    *("--http", "auto", "--no-ws", "--log-level", "warning", "--no-access-log"),
)


def _child(
    instance: Instance, name: str, argv: list[str], env: dict[str, str], port: int = 0
) -> Child:
    return Child(
        name=name,
        argv=[sys.executable, *argv],
        env=env,
        log=instance.log(name),
        is_ready=lambda: _listens(port),
        lifeline=instance.lifeline,
        cwd=CHECKOUT,
    )


def _measured(room: str, asked: argparse.Namespace, env: dict[str, str]) -> list[Row]:
    """Run one room and return its rows; what it says meanwhile goes to standard error."""
    numbers = {
        name: getattr(asked, name) for name in ("seconds", "connections", "workers", "grants")
    }
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{room}", json.dumps(numbers)],
        env=os.environ | env,
        cwd=CHECKOUT,
        check=True,
        stdout=subprocess.PIPE,
    )
    return [Row(**json.loads(line)) for line in done.stdout.splitlines()]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
