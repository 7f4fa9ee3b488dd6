"""`make bench`: engines, the site, and one measurement after the other."""

from __future__ import annotations

import argparse
import base64
import json
import secrets
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg

from bench.children import CHECKOUT, Failed, answering, answers, child, free_port
from bench.report import Row, machine, table
from embedded.engines import running
from embedded.instance import held_temporarily
from embedded.postgres import SUPERUSER, VERSION
from embedded.process import StartFailed, start_all, stop_all

# Each is a module that is run with the site's environment, and says its rows.
ROOMS = ("token_read", "refresh")
# A signature is good for five minutes, and the requests are signed before.
_MAX_SECONDS = 200.0


def main() -> int:
    """Measure what the arguments name, and print the table; returns the exit status.

    What fails, or is stopped by Ctrl-C, is told of beside what was measured.
    """
    asked = _arguments()
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell's background has the first one ignored
        signal.signal(ending, signal.default_int_handler)
    about = machine()
    rows: list[Row] = []
    failures: list[str] = []
    try:
        with _site(workers=asked.workers) as env:
            for room in asked.only or ROOMS:
                _measure(room, asked, env, rows, failures)
    except KeyboardInterrupt:
        failures.append("stopped before the end")
    except StartFailed as exc:
        failures.append(str(exc))
    _say(table(rows))
    _say(f"\n{about}; PostgreSQL {VERSION}, fsync on; {asked.workers} web processes")
    _say(f"python -m bench {shlex.join(sys.argv[1:])}".rstrip())
    for failure in failures:
        _tell(f"\nNot measured: {failure}")
    return 1 if failures or any(row.refused for row in rows) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=ROOMS, action="append", help="these rooms, and no others")
    parser.add_argument("--seconds", type=float, default=10, help="how long each row is measured")
    parser.add_argument(
        "--refresh-seconds", type=float, help="how long refreshes are; without it as the others"
    )
    parser.add_argument("--connections", type=int, default=10, help="requests under way at once")
    parser.add_argument("--workers", type=int, default=2, help="processes of the site")
    parser.add_argument(
        "--grants", type=int, nargs="+", default=[10_000, 1_000_000], help="grants in the table"
    )
    asked = parser.parse_args()
    if asked.seconds > _MAX_SECONDS:
        parser.error(f"--seconds: {_MAX_SECONDS:.0f} at most, for signatures expire")
    if asked.refresh_seconds is None:
        asked.refresh_seconds = asked.seconds
    return asked


@contextmanager
def _site(*, workers: int) -> Iterator[dict[str, str]]:
    """Run engines, the site and the bare server; yield the environment of those who measure."""
    with (
        held_temporarily(CHECKOUT / "var" / "bench") as instance,
        running(instance, durable=True) as engines,
    ):
        engines.postgres.database_ensure("daiko")
        with psycopg.connect(engines.postgres.url(SUPERUSER), autocommit=True) as connection:
            connection.execute("GRANT pg_checkpoint TO daiko")
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
            # Where the provider of refreshes is.
            "DAIKO_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            "LOG_LEVEL": "WARNING",
            "BENCH_HOME": str(instance.home),
            "BENCH_LIFELINE": str(instance.lifeline),
        }
        site, bare = free_port(), free_port()
        migrate = child("migrate", ["manage.py", "migrate", "-v0"], env)
        migrate.errand = True
        count = ["--workers", str(workers)]
        serve = ["manage.py", "serve", "--port", str(site), *count]
        servers = [
            child("site", serve, env, port=site),
            child("bare", [*_BARE, "--port", str(bare), *count], env, port=bare),
        ]
        try:
            start_all([migrate])
            start_all(servers)
            programs = {each.name: each.pid for each in (*engines.children, *servers)}
            yield env | {
                "BENCH_SITE_PORT": str(site),
                "BENCH_BARE_PORT": str(bare),
                "BENCH_PROGRAMS": json.dumps(programs),
            }
        finally:
            stop_all([migrate, *servers])


# Served as `manage.py serve` serves the site.
_BARE = (
    *("-m", "granian", "bench.bare:application", "--interface", "asginl", "--loop", "uvloop"),
    *("--http", "auto", "--no-ws", "--log-level", "warning", "--no-access-log"),
)


def _measure(
    room: str,
    asked: argparse.Namespace,
    env: dict[str, str],
    rows: list[Row],
    failures: list[str],
) -> None:
    """Run one room, and add its rows as they come, or why it failed."""
    part = answering(room, ["-m", "bench.room", room, json.dumps(vars(asked))], env)
    part.die_with = signal.SIGTERM
    try:
        with closing(answers([part])) as told:
            for said in told:
                if "row" in said:
                    rows.append(Row(**said["row"]))
                else:
                    _tell(f"{room}: {said['progress']}")
    except Failed as exc:
        failures.append(str(exc))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
