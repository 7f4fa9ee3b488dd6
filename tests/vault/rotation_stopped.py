"""A process that changes keys, and stops half-way for the test to kill it.

    python -m tests.vault.rotation_stopped

It begins with the first line on standard input. Standard output: `stopped`, once some values are
sealed anew and others are not.
"""

from __future__ import annotations

import signal
import sys

import django

django.setup(set_prefix=False)

from core import rotation, sealed_columns  # noqa: E402  (models are there once Django is set up)


def stop(step: rotation.Step) -> None:
    """Say so after the first batch of grants, and wait to be killed."""
    if step.table == "vault_grant":
        print("stopped", flush=True)  # noqa: T201
        signal.pause()


if __name__ == "__main__":
    sealed_columns.BATCH = 50
    sys.stdin.readline()
    with rotation.alone():
        rotation.rotate(actor="test", progress=stop)
