"""A worker that ends access in small batches; asked to, it stops half-way for the test to kill it.

    python -m tests.vault.ending_worker [stop]

Standard output: `stopped`, within a batch that is not committed; or how many steps were taken.
"""

from __future__ import annotations

import signal
import sys

import django

django.setup(set_prefix=False)

from vault.ending import cascade, revocations  # noqa: E402  (models are there once Django is set up)
from vault.models import Grant, Revocation  # noqa: E402

STOP_IN = 8


def main() -> None:
    """Work until nothing is due."""
    cascade._BATCH = 5
    if sys.argv[1:] == ["stop"]:
        _stop_half_way()
    print(cascade.work_off(for_s=60), flush=True)  # noqa: T201


def _stop_half_way() -> None:
    real = revocations.grant_forget
    seen: list[Grant] = []

    def forget(*, grant: Grant, **asked: object) -> Revocation | None:
        seen.append(grant)
        if len(seen) == STOP_IN:
            print("stopped", flush=True)  # noqa: T201
            signal.pause()
        return real(grant=grant, **asked)  # type: ignore[arg-type]  # passed on as they came

    revocations.grant_forget = forget


if __name__ == "__main__":
    main()
