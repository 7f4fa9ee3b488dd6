"""The processes of the storm: `python -m tests.chaos.actor` forks them, and again what was killed.

Standard input: one line of JSON, an `Orders`. Standard output: one line for each thing that
happened. Ended by SIGTERM, each process finishes what it is at.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest.mock import patch

import django

django.setup(set_prefix=False)

from django.db import connections, transaction  # noqa: E402  (models need Django set up)
from django.db.models import Q  # noqa: E402
from django.utils import timezone  # noqa: E402

from core import audit, http, oauth, refreshing  # noqa: E402
from core.refreshing import ReconnectNeeded, StillBusy  # noqa: E402
from core.secret import Secret  # noqa: E402
from vault import due, grants, renewal  # noqa: E402
from vault.models import Grant  # noqa: E402
from vault.standing import admitted  # noqa: E402

PAST = "2020-01-01T00:00:00Z"
TIME_OUT_S = 1.5


@dataclass(frozen=True)
class Orders:
    """What a storm wants. `kill_rate`: how likely a process dies at each step of the protocol."""

    seed: int
    web: int
    workers: int
    grants: int
    kill_rate: float
    provider_url: str


Kind = Callable[[random.Random, Orders], None]


def person(number: int) -> str:
    """Return the subject of the person who has the grant of this number."""
    return f"person-{number:02}"


# The protocol's times, shortened in their proportions, so that a storm sees all of them.
_QUICK: tuple[tuple[ModuleType, str, object], ...] = (
    (oauth, "_TIMEOUT_S", TIME_OUT_S),
    (refreshing, "ABANDONED_S", 3.0),
    (refreshing, "ON_ITS_WAY_S", 2.0),
    (refreshing, "WAIT_S", 4.0),
    (refreshing, "_BACKOFF_S", (0.2, 2.0)),
    (due, "_REST_S", (0.05, 0.3)),
)


@contextmanager
def quick() -> Iterator[None]:
    """Have this process hold to the storm's times."""
    with ExitStack() as stack:
        for module, name, value in _QUICK:
            stack.enter_context(patch.object(module, name, value))
        yield


def make_mortal(rng: random.Random, rate: float) -> None:
    """Let this process be killed, as by `kill -9`, at each step of the protocol now and then."""

    def die(step: str) -> None:
        say(f"killed {step}")
        os.kill(os.getpid(), signal.SIGKILL)

    def may_die(step: str) -> None:
        if rng.random() < rate:
            die(step)

    def around(module: Any, name: str, before: str, after: str) -> None:
        real = getattr(module, name)

        def mortal(*args: Any, **kwargs: Any) -> Any:
            may_die(before)
            result = real(*args, **kwargs)
            may_die(after)
            return result

        setattr(module, name, mortal)

    send = oauth.atoken_request

    async def mortal_send(*args: Any, **kwargs: Any) -> oauth.Tokens:
        may_die("after claim")
        if rng.random() < rate:  # anywhere between the first byte sent and the last one read
            asyncio.get_running_loop().call_later(rng.uniform(0, 0.02), die, "after send")
        return await send(*args, **kwargs)

    oauth.atoken_request = mortal_send
    around(refreshing, "claim", "before claim", "in claim")
    around(refreshing, "settle", "after answer", "after store")
    around(audit, "record_all", "in store", "in store, recorded")


def web(rng: random.Random, orders: Orders) -> None:
    """Read one grant, or let it expire, or, where it lapsed, consent anew."""
    grant = renewal.grants().get(user_sub=person(rng.randrange(orders.grants)))
    if grant.state != Grant.State.LIVE:
        reconnect(grant, orders)
    elif rng.random() < 0.4:
        Grant.objects.filter(pk=grant.pk, state=Grant.State.LIVE).update(
            access_expires_at=PAST, next_refresh_at=PAST
        )
        say("did expire")
    else:
        read(grant)


def read(grant: Grant) -> None:
    """Get the access token as a reader does, refreshed if need be, and look whose it is."""
    try:
        fresh = grant.is_fresh(at=timezone.now(), leeway_s=20)
        current = grant if fresh else renewal.grant_refresh(grant=grant)
        token = current.access_token()
    except (oauth.TryLater, oauth.Unanswered, StillBusy, ReconnectNeeded) as exc:
        say(f"did read, {exc.code}")
        return
    subject = "" if token is None else token.reveal().rpartition(".")[0]
    say("did read" if subject == grant.user_sub else "WRONG token of another person")


def reconnect(grant: Grant, orders: Orders) -> None:
    """Store what a new consent brings, if nobody did so before."""
    form = {"grant_type": "password", "subject": grant.user_sub}
    given = http.fetch_sync("POST", orders.provider_url, form=form).json()
    access, refresh = Secret(given["access_token"]), Secret(given["refresh_token"])
    tokens = oauth.Tokens(access, refresh, id_token=None, expires_in_s=3600, scope=None)
    parties = admitted(
        workload_id=grant.workload_identity_id,
        subject=grant.subject,
        provider=Q(pk=grant.provider_id),
    )
    with transaction.atomic(durable=True):
        parties.hold()
        if Grant.objects.get(pk=grant.pk).state == Grant.State.LIVE:
            return
        stored = grants.grant_store(parties=parties, tokens=tokens, scopes=[])
        detail = {"grant": str(stored.pk), "generation": stored.generation}
        audit.record(audit.Event("chaos.consent", subject=grant.subject, detail=detail))
    say("did consent")


def worker(rng: random.Random, orders: Orders) -> None:
    """Refresh what is due, as Celery's task does."""
    taken = due.refresh_due(for_s=2.0, stopping=_stopping)
    say(f"did refresh {taken}")
    _stopping.wait(rng.uniform(0, 0.05))


_stopping = threading.Event()


def live(kind: Kind, seed: str, orders: Orders) -> None:
    """Be one process: do one thing after the other until told to end."""
    parent = os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: _stopping.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    rng = random.Random(seed)  # noqa: S311  (drawn again by the seed)
    make_mortal(rng, orders.kill_rate)
    while not _stopping.is_set() and os.getppid() == parent:
        kind(rng, orders)
        connections.close_all()


def say(line: str) -> None:
    """Write one line at once: a pipe keeps it whole, and what is killed next has said it."""
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Fork the processes, and each one that was killed anew, until SIGTERM ends them all."""
    orders = Orders(**json.loads(sys.stdin.readline()))
    born = 0
    running: dict[int, Kind] = {}
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def bear(kind: Kind) -> None:
        nonlocal born
        born += 1
        # Held back until parent and child are ready for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        pid = os.fork()
        if pid:
            running[pid] = kind
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            return
        try:
            live(kind, f"{orders.seed}:{kind.__name__}:{born}", orders)
        except BaseException as exc:  # noqa: BLE001  (told, and nothing else may run in the child)
            say(f"WRONG {type(exc).__name__}: {exc}".replace("\n", " "))
        finally:
            os._exit(0)

    signal.signal(signal.SIGTERM, end)
    for kind, number in ((web, orders.web), (worker, orders.workers)):
        for _ in range(number):
            bear(kind)
    while running:
        pid, status = os.wait()
        died = running.pop(pid)
        if os.WIFSIGNALED(status) and not ending:
            bear(died)


if __name__ == "__main__":
    with quick():
        main()
