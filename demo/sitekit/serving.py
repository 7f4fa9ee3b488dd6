"""From an empty database to a site that answers, in one process and its worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

import django
from django.core.management import call_command
from django.db import connections
from granian import Granian
from granian.constants import Interfaces

from demo.sitekit.environment import port_of

THREADS = 8


def migrate_seed_and_serve(*, site: str, url: str) -> None:
    """Bring the database up to date, put the demo's people in, and serve until told to stop.

    `site` is the package of the site, `url` where it is reached.
    There is one worker: authorization codes, sign-in limits and armed faults live in its memory.
    """
    os.environ["DJANGO_SETTINGS_MODULE"] = f"{site}.settings"  # whatever the caller's own site is
    django.setup()
    call_command("check", verbosity=0)
    call_command("migrate", interactive=False, verbosity=0)
    call_command("seed", verbosity=0)
    connections.close_all()  # the worker is a fork, and must not share a socket with its parent
    Granian(
        f"{site}.wsgi:application",
        address="127.0.0.1",
        port=port_of(url),
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        websockets=False,
        log_access=False,  # a request line can hold a code or a state
    ).serve()


def leave_with_parent() -> None:
    """End this worker when the process that started it is gone, however it went.

    A parent that was killed cannot stop its worker, which would hold the port for ever.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="leave-with-parent", daemon=True).start()
