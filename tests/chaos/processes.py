"""The processes of the storm: `python -m tests.chaos.processes` forks them, and again what dies.

Web processes are granian's, with the options of `manage.py serve`; workers and beat are Celery's.
All are forked of this process, which has loaded what they run and opened nothing: one that is
killed is there again in a moment.

Standard input: one line of JSON, an `Orders`. Standard output: what happened, a line each. Ended by
SIGTERM.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from portal.asgi import application  # sets Django up

# isort: split
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels

from portal.celery import app
from tests.chaos.mortal import Mortal, Orders, quick

_PR_SET_PDEATHSIG = 1
_SCHEDULE_S = {"vault.tasks.refresh_due": 0.3, "vault.tasks.revoke_due": 0.5}

Kind = Callable[[Orders, int], None]


def web(orders: Orders, born: int) -> None:
    """Serve the site until SIGTERM, or until the one process of granian's that serves it dies."""

    def load(_: str) -> Any:
        _die_with_parent()
        _mortal("web", orders, born)
        return application

    Granian(
        "portal.asgi:application",
        address="127.0.0.1",
        port=orders.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.auto,
        websockets=False,
        log_level=LogLevels.error,
        workers_kill_timeout=8,
    ).serve(target_loader=load)


def worker(orders: Orders, born: int) -> None:
    """Do what beat asks for."""
    _mortal("worker", orders, born)
    app.worker_main(
        [
            *("--quiet", "worker", "--loglevel", "ERROR", "--hostname", f"storm-{born}@storm"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
    )


def beat(orders: Orders, born: int) -> None:
    """Ask the workers for what is due, far more often than on a real site."""
    for name, every_s in _SCHEDULE_S.items():
        app.conf.beat_schedule[name] |= {"schedule": every_s, "options": {"expires": every_s}}
    app.Beat(loglevel="ERROR", quiet=True).run()


def _mortal(kind: str, orders: Orders, born: int) -> None:
    seed = f"{orders.seed}:{kind}:{born}"
    Mortal(kind, seed=seed, rate=orders.kill_rate, say=_say).arm()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _say(line: str) -> None:
    """Write one line at once: a pipe keeps it whole, and what is killed next has said it."""
    os.write(_told, f"{line}\n".encode())


def main() -> None:
    """Fork the processes, and each one that died anew, until SIGTERM ends them all."""
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
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            _die_with_parent()
            kind(orders, born)
        except SystemExit as exc:
            status = exc.code if isinstance(exc.code, int) else 1
        finally:
            os._exit(status)

    signal.signal(signal.SIGTERM, end)
    for kind, number in ((web, orders.web), (worker, orders.workers), (beat, 1)):
        for _ in range(number):
            bear(kind)
    while running:
        pid, _ = os.wait()
        died = running.pop(pid)
        if not ending:
            bear(died)


if __name__ == "__main__":
    # What the processes say on standard output is not what this one promised to say there.
    _told = os.dup(1)
    os.dup2(2, 1)
    with quick():
        main()
