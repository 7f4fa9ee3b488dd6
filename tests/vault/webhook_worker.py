"""A worker that delivers webhooks; asked to, it stops once an event was taken, for a test to kill.

    python -m tests.vault.webhook_worker [stop]

It says `ready`, and begins when it reads a line. Then it says `taken`, once the receiver has
answered and nothing of that is kept; or how many attempts were made.
"""

from __future__ import annotations

import signal
import sys

import django

django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402  (settings and models are there once it is set up)

from vault.webhooks import delivering  # noqa: E402
from vault.webhooks.delivering import Claim  # noqa: E402
from vault.webhooks.sending import Answer  # noqa: E402


def main() -> None:
    """Deliver until nothing is due."""
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    if sys.argv[1:] == ["stop"]:
        delivering.settle = _stop
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    print(delivering.deliver_due(for_s=60), flush=True)  # noqa: T201


def _stop(claim: Claim, answer: Answer) -> None:
    print("taken", flush=True)  # noqa: T201
    signal.pause()


if __name__ == "__main__":
    main()
