"""Refreshing what is due, by Celery's workers, at a provider that answers in 50 ms and rotates.

`python -m bench.refresh NUMBERS`, in the environment that `python -m bench` makes. All grants are
due from the first moment on, and each again half a minute after its refresh: more than can be done.
Counted is what is stored and on record.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import django

# What speaks to the provider of this bench, the workers too, may speak to this machine.
os.environ["DAIKO_ALLOWED_PRIVATE_HOSTS"] = "127.0.0.1"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup(set_prefix=False)

# Models can be imported only once Django is set up.
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from agents.models import WorkloadIdentity  # noqa: E402
from bench.cpu import seconds_of  # noqa: E402
from bench.report import Row  # noqa: E402
from core.audit import Actor  # noqa: E402
from core.crypto import seal  # noqa: E402
from core.models import AuditEvent  # noqa: E402
from vault.models import CredentialProvider, Grant  # noqa: E402
from vault.providers.services import provider_store  # noqa: E402

_LATENCY_S = 0.05
_AT_ONCE = 100
_WARM_UP_S = 8.0
_GRANTS, _EXPIRES_S = 40_000, 40
_ROWS = 2000
_BARE = "bare loop of posts"


def main() -> None:
    """Measure, and print each row as a line of JSON."""
    asked = json.loads(sys.argv[1])
    with _provider() as (url, provider):
        bare = asyncio.run(_posts(url, seconds=min(asked["seconds"], 10)))
        _print(Row(_BARE, bare))
        _fill(url)
        _print(_measured(url, provider, asked["seconds"], asked["workers"]))


def _measured(url: str, provider: int, seconds: float, workers: int) -> Row:
    """Return how many grants a second the workers refreshed, and what memory they took."""
    celery = [sys.executable, "-m", "celery", "--app", "portal"]
    with _running(*celery, "beat", "--loglevel", "WARNING"):
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for number in range(workers):
                name = f"worker-{number}@bench"
                argv = [*celery, "worker", "--loglevel", "WARNING", "--hostname", name]
                argv += ["--without-gossip", "--without-mingle"]
                processes.append(subprocess.Popen(argv, stdout=sys.stderr))
            while not _refreshed():
                time.sleep(0.1)
            time.sleep(_WARM_UP_S)
            before, began = _refreshed(), time.monotonic()
            held = [_resident_mib(process.pid) for process in processes]
            used = _used(provider, processes)
            time.sleep(seconds)
            done, took_s = _refreshed() - before, time.monotonic() - began
            holds = [_resident_mib(process.pid) for process in processes]
            cpu_ms = {
                name: (by_now - used[name]) * 1000 / max(done, 1)
                for name, by_now in _used(provider, processes).items()
            }
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(30)
    memory = ", ".join(f"{a:.0f}→{b:.0f}" for a, b in zip(held, holds, strict=True))
    failed = AuditEvent.objects.filter(action="vault.refresh").exclude(outcome="allowed").count()
    again = _asked(url)["again"]
    what = f"refresh, {workers} workers ({memory} MiB in {took_s:.0f} s)"
    return Row(what, done / took_s, refused=failed + again, cpu_ms=cpu_ms, baseline=_BARE)


def _used(provider: int, workers: list[subprocess.Popen[bytes]]) -> dict[str, float]:
    """Return the processor time so far, in seconds, of each program that has to do with it."""
    programs = json.loads(os.environ["BENCH_PROGRAMS"])
    return {
        "workers": sum(seconds_of(worker.pid) for worker in workers),
        "provider": seconds_of(provider),
        **{name: seconds_of(pid) for name, pid in programs.items()},
    }


def _refreshed() -> int:
    return AuditEvent.objects.filter(action="vault.refresh", outcome="allowed").count()


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kib) / 1024


async def _posts(url: str, *, seconds: float) -> float:
    """Return how many refresh tokens a second are exchanged by a loop that does nothing else."""
    until = time.monotonic() + seconds
    done = 0

    async def post(session: aiohttp.ClientSession) -> None:
        nonlocal done
        while time.monotonic() < until:
            form = {"grant_type": "refresh_token", "refresh_token": secrets.token_urlsafe(48)}
            async with session.post(url, data=form) as answer:
                await answer.json()
            done += 1

    # A connection for each request, as core.http has it.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(post(session) for _ in range(_AT_ONCE)))
    return done / seconds


@contextmanager
def _provider() -> Iterator[tuple[str, int]]:
    """Run the provider in a process of its own; yield where it answers, and its id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    numbers = [str(port), str(_LATENCY_S), str(_EXPIRES_S)]
    with _running(sys.executable, "-m", "bench.rotating", *numbers) as pid:
        give_up_at = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if time.monotonic() > give_up_at:
                raise TimeoutError("the provider of the bench does not start")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/", pid


@contextmanager
def _running(*argv: str) -> Iterator[int]:
    process = subprocess.Popen(argv, stdout=sys.stderr)  # our own output is rows
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _asked(url: str) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            said: dict[str, Any] = await answer.json()
            return said

    return asyncio.run(ask())


def _fill(url: str) -> None:
    """Make grants that are due, at the provider that answers at `url`."""
    identity = WorkloadIdentity.objects.create(name="bench-refreshed")
    provider = provider_store(
        provider=CredentialProvider(
            name="bench-rotating",
            display_name="Rotating",
            client_id="bench",
            client_auth="none",
            issuer=url,
            authorization_endpoint=f"{url}authorize",
            token_endpoint=url,
            refresh_at_once=_AT_ONCE,
        ),
        client_secret=None,
        workloads=[identity],
        actor=Actor("bench"),
    )
    now = timezone.now()
    for begin in range(0, _GRANTS, _ROWS):
        Grant.objects.bulk_create(
            _due(identity, provider, number, now)
            for number in range(begin, min(begin + _ROWS, _GRANTS))
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) vault_grant")


def _due(
    identity: WorkloadIdentity, provider: CredentialProvider, number: int, now: datetime
) -> Grant:
    grant = Grant(
        workload_identity=identity,
        provider=provider,
        user_iss="https://issuer.invalid",
        user_sub=f"refreshed-{number:08}",
        granted_at=now,
        access_expires_at=now,
        next_refresh_at=now,
    )
    for column in ("access_sealed", "refresh_sealed"):
        sealed = seal(secrets.token_urlsafe(48), bound_to=grant.binding(column))
        setattr(grant, column, sealed)
    return grant


def _print(row: Row) -> None:
    sys.stdout.write(json.dumps(asdict(row)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
