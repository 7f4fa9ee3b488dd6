"""`manage.py serve`: the site, both planes, in production as in the demo."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand

from portal import footing

# Longer than a stopped run takes to be stored, shorter than a supervisor waits.
_GRACE_S = 8
# Requests under way in one process; open streams are most of them. The server's own is 1,024.
_AT_ONCE = 16_384


class Command(BaseCommand):
    """Checks the configuration and what it leads to, and becomes the server."""

    help = "Serve the site: pages, APIs, agents' gateway and runs."
    requires_system_checks = "__all__"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where to listen and with how many processes."""
        parser.add_argument("--host", default=settings.SERVE_HOST)
        parser.add_argument("--port", type=int, default=settings.SERVE_PORT)
        parser.add_argument(
            "--workers", type=int, default=settings.SERVE_WORKERS,
            help="processes; each serves everything and takes its share of the runs",
        )  # fmt: skip

    def handle(self, *args: Any, host: str, port: int, workers: int, **options: Any) -> NoReturn:
        """Replace this process by the server. There is no access log: paths' queries hold codes."""
        if faults := footing.faults(host=host, port=port):
            sys.exit("\n".join(faults))
        os.execv(  # noqa: S606  (no shell is the point)
            sys.executable,
            [
                *(sys.executable, "-m", "granian", "portal.asgi:application"),
                *("--interface", "asgi", "--loop", "uvloop", "--http", "auto", "--ws"),
                *("--host", host, "--port", str(port), "--workers", str(workers)),
                *("--backlog", str(_AT_ONCE), "--backpressure", str(_AT_ONCE)),
                *("--workers-kill-timeout", str(_GRACE_S), "--respawn-failed-workers"),
                *("--log-level", "warning", "--no-access-log"),
            ],
        )
