"""`make bench`: engines, the site, and one measurement after the other."""

from __future__ import annotations

import base64
import json
import secrets
import shlex
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext

import psycopg

from bench.arguments import PEERS, ROOMS, SCREEN, arguments
from bench.children import CHECKOUT, Failed, answering, answers, child, free_port
from bench.cpu import Meanwhile
from bench.report import Found, Row, Table, machine
from bench.written import written
from embedded.engines import running
from embedded.instance import held_temporarily
from embedded.postgres import SUPERUSER, VERSION
from embedded.process import StartFailed, start_all, stop_all

# Those that start the web processes themselves.
_OWN_SERVERS = ("gateway", PEERS, SCREEN)


def main() -> int:
    """Measure what the arguments name, and print the table; returns the exit status.

    What fails, or is stopped by Ctrl-C, is told of beside what was measured.
    """
    asked = arguments()
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell's background has the first one ignored
        signal.signal(ending, signal.default_int_handler)
    found, before, meanwhile = Found(), machine(), Meanwhile()
    try:
        with _engines() as engines:
            for room in asked.only or ROOMS:
                own = room in _OWN_SERVERS
                with nullcontext(engines) if own else _site(engines, workers=asked.workers) as env:
                    _measure(room, asked, env, found)
    except KeyboardInterrupt:
        found.failures.append("stopped before the end")
    except StartFailed as exc:
        found.failures.append(str(exc))
    alone = set(asked.only or ROOMS) <= set(_OWN_SERVERS)
    served = "one process each" if alone else f"{asked.workers} web processes"
    about = (
        f"{before}; others used {meanwhile.others():.2f} cores meanwhile; "
        f"PostgreSQL {VERSION}, fsync on; {served}"
    )
    command = f"python -m bench {shlex.join(sys.argv[1:])}".rstrip()
    _say(f"{found.text()}\n\n{about}\n{command}")
    for failure in found.failures:
        _tell(f"\nNot measured: {failure}")
    if asked.into and not found.failures:
        name = "-".join(asked.only or ["all"])
        written(asked.into, name, found, about=about, command=command)
    return 1 if found.failures or any(row.refused for row in found.rows) else 0


@contextmanager
def _engines() -> Iterator[dict[str, str]]:
    """Run engines with the site's tables; yield the environment of those who measure."""
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
        migrate = child("migrate", ["manage.py", "migrate", "-v0"], env)
        migrate.errand = True
        try:
            start_all([migrate])
            programs = {each.name: each.pid for each in engines.children}
            yield env | {"BENCH_PROGRAMS": json.dumps(programs)}
        finally:
            stop_all([migrate])


@contextmanager
def _site(env: Mapping[str, str], *, workers: int) -> Iterator[dict[str, str]]:
    """Run the site and the bare server, too; yield the environment with where they are."""
    site, bare = free_port(), free_port()
    count = ["--workers", str(workers)]
    serve = ["manage.py", "serve", "--port", str(site), *count]
    servers = [
        child("site", serve, env, port=site),
        child("bare", [*_BARE, "--port", str(bare), *count], env, port=bare),
    ]
    try:
        start_all(servers)
        programs = json.loads(env["BENCH_PROGRAMS"]) | {each.name: each.pid for each in servers}
        yield {
            **env,
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


def _measure(room: str, asked: Namespace, env: dict[str, str], found: Found) -> None:
    """Run one room, and add what it says as it comes, or why it failed."""
    part = answering(room, ["-m", "bench.room", room, json.dumps(vars(asked))], env)
    part.die_with = signal.SIGTERM
    try:
        with closing(answers([part])) as told:
            for said in told:
                if "row" in said:
                    found.rows.append(Row(**said["row"]))
                elif "table" in said:
                    found.tables.append(Table(**said["table"]))
                elif "note" in said:
                    found.notes.append(said["note"])
                else:
                    _tell(f"{room}: {said['progress']}")
    except Failed as exc:
        found.failures.append(str(exc))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
