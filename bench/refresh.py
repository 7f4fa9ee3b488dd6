"""Refreshing what is due, by Celery's workers, at a provider that answers in 50 ms and rotates.

All grants are due from the first moment on, and each again half a minute after its refresh: more
than can be done. Counted is what is stored and on record.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import aiohttp
from django.utils import timezone

from bench import grants, world
from bench.children import Failed, child, failed, free_port, say
from bench.cpu import seconds_of
from bench.memory import resident_mib
from bench.report import Row
from core.models import AuditEvent
from embedded.process import Child, start_all, stop_all

_LATENCY_S = 0.05
_AT_ONCE = 100
_FIRST_S = 60.0
_WARM_UP_S = 8.0
_GRANTS, _EXPIRES_S = 40_000, 40
_ALONE = ("--without-gossip", "--without-mingle")
_BARE = "bare loop of posts"
# Memory is looked at this often, and in a short run ten times.
_LOOK_S = 60.0


def main(asked: dict[str, Any]) -> None:
    """Measure, and say each row."""
    port, seconds = free_port(), asked["refresh_seconds"]
    url = f"http://127.0.0.1:{port}"
    numbers = [str(port), str(_LATENCY_S), str(_EXPIRES_S)]
    provider = child("provider", ["-m", "bench.rotating", *numbers], os.environ, port=port)
    celery = ["-m", "celery", "--app", "portal"]
    beat = _celery("beat", [*celery, "beat"])
    workers = [
        _celery(
            f"worker-{number}",
            [*celery, "worker", "--hostname", f"worker-{number}@bench", *_ALONE],
        )
        for number in range(asked["workers"])
    ]
    try:
        start_all([provider])
        bare_s = min(seconds, 10)
        say({"progress": f"{_BARE}: {bare_s:g} s"})
        say({"row": asdict(Row(_BARE, asyncio.run(_posts(url, seconds=bare_s))))})
        _fill(url)
        for each in (beat, *workers):
            each.start()
        say({"row": asdict(_measured(url, provider, [beat, *workers], seconds))})
    finally:
        stop_all([beat, *workers, provider])


def _celery(name: str, argv: list[str]) -> Child:
    made = child(name, [*argv, "--loglevel", "WARNING"], os.environ)
    made.die_with = signal.SIGKILL  # what it has under way is nobody's
    made.grace_s = 30
    return made


def _measured(url: str, provider: Child, celery: Sequence[Child], seconds: float) -> Row:
    """Return how many grants a second the workers refreshed, and what memory they took."""
    needed = [provider, *celery]
    _first_refreshed(needed)
    _pass(_WARM_UP_S, needed)
    say({"progress": f"refresh: {seconds:g} s"})
    held = [_memory(celery)]
    used = _used(provider, celery)
    before, began = _refreshed(), time.monotonic()
    look_s = min(_LOOK_S, seconds / 10)
    while (left_s := began + seconds - time.monotonic()) > 0:
        _pass(min(look_s, left_s), needed)
        held.append(_memory(celery))
    took_s, done = time.monotonic() - began, _refreshed() - before
    cpu_ms = {
        name: (by_now - used[name]) * 1000 / max(done, 1)
        for name, by_now in _used(provider, celery).items()
    }
    failures = AuditEvent.objects.filter(action="vault.refresh").exclude(outcome="allowed").count()
    return Row(
        f"refresh, {len(celery) - 1} workers",
        done / took_s,
        refused=failures + asyncio.run(_asked(url))["again"],
        cpu_ms=cpu_ms,
        baselines=[_BARE],
        note=_told(held, look_s, took_s, done),
    )


def _used(provider: Child, celery: Sequence[Child]) -> dict[str, float]:
    """Return the processor time so far, in seconds, of each program that has to do with it."""
    programs = json.loads(os.environ["BENCH_PROGRAMS"])
    return {
        "workers": sum(seconds_of(each.pid) for each in celery),
        "provider": seconds_of(provider.pid),
        **{name: seconds_of(pid) for name, pid in programs.items()},
    }


def _told(held: Sequence[dict[str, float]], look_s: float, took_s: float, done: int) -> str:
    """Return in words what the processes held in memory over the time that was measured."""
    series = (f"{name} {', '.join(f'{seen[name]:.0f}' for seen in held)}" for name in held[0])
    return (
        f"{done:,} refreshes in {took_s:.0f} s; "
        f"resident memory in MiB every {look_s:g} s: {'; '.join(series)}"
    )


def _first_refreshed(needed: Sequence[Child]) -> None:
    """Return once a refresh is on record. Raises Failed."""
    give_up_at = time.monotonic() + _FIRST_S
    while not _refreshed():
        if time.monotonic() > give_up_at:
            raise Failed(f"refresh: nothing was refreshed in {_FIRST_S:.0f} s")
        _pass(0.1, needed)


def _pass(seconds: float, needed: Sequence[Child]) -> None:
    """Let time pass. Raises Failed where one of the processes has ended meanwhile."""
    time.sleep(seconds)
    for each in needed:
        if not each.is_running():
            raise failed(each)


def _refreshed() -> int:
    return AuditEvent.objects.filter(action="vault.refresh", outcome="allowed").count()


def _memory(celery: Sequence[Child]) -> dict[str, float]:
    """Return the resident memory of each process in MiB."""
    return {each.name: resident_mib(each.pid) for each in celery}


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


async def _asked(url: str) -> dict[str, Any]:
    """Return what the provider says of itself."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        said: dict[str, Any] = await answer.json()
        return said


def _fill(url: str) -> None:
    """Make grants that are due, at the provider that answers at `url`."""
    workload = world.workload("bench-refreshed")
    provider = world.provider(
        "bench-rotating", url=url, workload=workload, refresh_at_once=_AT_ONCE
    )
    now = timezone.now()
    grants.fill(
        workload, provider, of="refreshed", up_to=_GRANTS, expires_at=now, next_refresh_at=now
    )
