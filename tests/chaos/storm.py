"""One storm over the site: many processes, faults and kills, and afterwards everything is counted.

A seed draws what is done, what goes wrong and who is killed where; in which order processes get to
it is the machine's. Two providers are in it: one with a grace window, and one without.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from django.db.models import Q
from django.utils import timezone

from core import crypto, refreshing
from tests.chaos.life import PAST, Life
from tests.chaos.mortal import TIME_OUT_S, Orders, quick
from tests.chaos.provider import Provider, providing
from tests.chaos.verdict import wrongs
from tests.chaos.world import made
from tests.children import ended_with_this
from tests.connections import database_url
from vault.ending import revocations
from vault.grants import due
from vault.models import CredentialProvider, Grant, Revocation

_CHECKOUT = Path(__file__).resolve().parents[2]
_GRACE_S = 10
_FAULT_RATE, _KILL_RATE = 0.12, 0.008
_WEB, _WORKERS = 2, 2
_AT_ONCE = 24
_START_S = 60
_CALM_S = 30

Told = Callable[[str], object]


@dataclass
class Outcome:
    """What came of a storm. `wrong` says what must not be, and is empty when all is well."""

    seed: int
    took_s: float = 0.0
    done: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    stalled: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    refreshes: Counter[str] = field(default_factory=Counter)
    revoked: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def interleavings(self) -> int:
        """Return how much happened: reads, expiries, what people did, refreshes sent, and kills.

        A read that was cut off by a kill is not counted beside it.
        """
        counted = (self.done, self.refreshes, self.killed, self.stalled)
        return sum(counts.total() for counts in counted) - self.done["read, cut off"]

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.interleavings:,} interleavings in {self.took_s:.0f} s",
            *_table("done", self.done),
            *_table("killed", self.killed),
            *_table("stalled", self.stalled),
            *_table("faults", self.faults),
            *_table("refreshes sent", self.refreshes),
            *_table("families revoked for a reuse", self.revoked),
            *_table("grants", self.ends),
            *(f"WRONG: {what}" for what in self.wrong),
            "nothing is wrong" if not self.wrong else f"{len(self.wrong)} things are wrong",
        ]
        return "\n".join(lines)


def _table(name: str, counts: Counter[str]) -> Iterator[str]:
    yield f"{name}: {counts.total():,}"
    yield from (f"  {count:>9,}  {what}" for what, count in sorted(counts.items()))


def storm(*, seed: int, interleavings: int, log: Path, told: Told = lambda _: None) -> Outcome:
    """Let a storm go over an empty vault, and return what came of it; `told` hears how it goes.

    What the processes log goes to `log`.
    """
    began = time.monotonic()
    providers = {
        name: Provider(
            name=name,
            grace_s=grace_s,
            time_out_s=TIME_OUT_S,
            rng=random.Random(f"{seed}:{name}"),  # noqa: S311  (drawn again by the seed)
        )
        for name, grace_s in (("forgiving", _GRACE_S), ("strict", 0))
    }
    outcome = Outcome(seed)
    crypto.forget_opened_keys()
    with quick(), providing(list(providers.values())):
        life = Life(
            world=made(list(providers.values())),
            providers=providers,
            port=_free_port(),
            rng=random.Random(seed),  # noqa: S311  (drawn again by the seed)
            done=outcome.done,
            wrong=outcome.wrong,
        )
        orders = Orders(seed, _WEB, _WORKERS, _KILL_RATE, life.port)
        with _raging(orders, outcome, log):
            _wait_until_served(life.port)
            for provider in providers.values():
                provider.fault_rate = _FAULT_RATE
            progress = _Progress(outcome, providers, interleavings, told)
            asyncio.run(life.go_on(progress.goes_on, at_once=_AT_ONCE))
            for provider in providers.values():
                provider.fault_rate = 0.0
        _count(outcome, providers)
        _calm_down(outcome)
        outcome.wrong += wrongs(life, outcome.lost, outcome.ends)
    outcome.took_s = time.monotonic() - began
    return outcome


class _Progress:
    """Says now and then how far a storm is, and whether it is to go on."""

    def __init__(
        self, outcome: Outcome, providers: dict[str, Provider], upto: int, told: Told
    ) -> None:
        self._outcome, self._providers, self._upto, self._told = outcome, providers, upto, told
        self._began = self._told_at = time.monotonic()

    def goes_on(self) -> bool:
        for name, provider in self._providers.items():
            self._outcome.refreshes[name] = provider.requests
        done, now = self._outcome.interleavings, time.monotonic()
        if now - self._told_at > 10:
            self._told_at = now
            killed, rate = self._outcome.killed.total(), done / (now - self._began)
            self._told(f"{done:,} of {self._upto:,}, {rate:,.0f} a second, {killed:,} killed")
        return done < self._upto and not self._outcome.wrong


def _count(outcome: Outcome, providers: dict[str, Provider]) -> None:
    for name, provider in providers.items():
        outcome.refreshes[name] = provider.requests
        outcome.revoked[name] = len(provider.ended)
        outcome.faults.update({fault.value: number for fault, number in provider.faults.items()})


@contextmanager
def _raging(orders: Orders, outcome: Outcome, log: Path) -> Iterator[None]:
    """Run the processes, and end them; count what they say."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            ended_with_this(sys.executable, "-m", "tests.chaos.processes"),
            cwd=_CHECKOUT,
            env=os.environ
            | {
                "DATABASE_URL": database_url(),
                "DAIKO_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
                "LOG_LEVEL": "ERROR",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    listening = threading.Thread(target=_listen, args=(process.stdout, outcome))
    listening.start()
    try:
        with process.stdin as asked:
            asked.write(json.dumps(asdict(orders)) + "\n")
        yield
    finally:
        process.terminate()
        process.wait(60)
        listening.join()
        process.stdout.close()


def _listen(said: IO[str], outcome: Outcome) -> None:
    for line in said:
        kind, _, what = line.strip().partition(" ")
        if kind == "killed":
            outcome.killed[what] += 1
        elif kind == "stalled":
            outcome.stalled[what] += 1
        elif kind == "lost":
            outcome.lost.update(what.split())
        else:
            outcome.wrong.append(line.strip())


def _wait_until_served(port: int) -> None:
    give_up_at = time.monotonic() + _START_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > give_up_at:
            raise TimeoutError("the site of the storm does not start")
        threading.Event().wait(0.05)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _calm_down(outcome: Outcome) -> None:
    """Refresh every grant once more, and tell what is to be told, with providers that are well."""
    # What the dead claimed is given up first.
    threading.Event().wait(refreshing.ABANDONED_S)
    CredentialProvider.objects.update(refresh_not_before=None)
    asked_at = timezone.now()
    live = Grant.objects.filter(state=Grant.State.LIVE)
    live.update(next_refresh_at=PAST)
    give_up_at = time.monotonic() + _CALM_S
    while time.monotonic() < give_up_at:
        due.refresh_due(for_s=_CALM_S)
        Revocation.objects.update(next_attempt_at=PAST)
        revocations.attempt_due(for_s=_CALM_S)
        left = live.exclude(Q(refreshed_at__gt=asked_at))
        if not left and not Revocation.objects.exists():
            break
        threading.Event().wait(0.2)
    outcome.wrong += [f"{grant.user_sub} is live and was not refreshed" for grant in left]
