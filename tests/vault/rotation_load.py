"""A process that reads grants and stores refreshed ones while keys are changed beside it.

    python -m tests.vault.rotation_load

Standard output: `ready`; once standard input ends, how many reads and refreshes there were, and
what failed. A token says of which grant it is, so that one of another's is a failure as well.
"""

from __future__ import annotations

import json
import random
import select
import sys
from collections import Counter
from typing import Any

import django

django.setup(set_prefix=False)

from core import data_keys, refreshing  # noqa: E402  (models are there once Django is set up)
from core.oauth import Tokens  # noqa: E402
from core.secret import Secret  # noqa: E402
from vault.models import Grant  # noqa: E402

# How long this process seals under a key before it looks whether another one took over.
SEALING_S = 1.0


def tokens_of(grant: Any) -> Tokens:
    """Return new tokens that say whose they are."""
    return Tokens(
        access=Secret(f"at-{grant.pk}"),
        refresh=Secret(f"rt-{grant.pk}"),
        id_token=None,
        expires_in_s=3600,
        scope=None,
    )


def main() -> None:
    """Work on grants at random until standard input ends."""
    data_keys.SEALING_S = SEALING_S
    keys = list(Grant.objects.values_list("pk", flat=True))
    done: Counter[str] = Counter()
    print("ready", flush=True)  # noqa: T201
    while not select.select([sys.stdin], [], [], 0)[0]:
        grant = Grant.objects.get(pk=random.choice(keys))  # noqa: S311
        try:
            work(grant, done)
        except Exception as exc:  # noqa: BLE001  (each is a failure of the test)
            done[f"failed: {exc!r}"] += 1
    print(json.dumps(done), flush=True)  # noqa: T201


def work(grant: Grant, done: Counter[str]) -> None:
    """Read one grant, and now and then refresh it."""
    access, refresh = grant.access_token(), grant.refresh_token()
    if (access, refresh) != (Secret(f"at-{grant.pk}"), Secret(f"rt-{grant.pk}")):
        raise LookupError("another grant's token")
    done["reads"] += 1
    if random.random() < 0.3:  # noqa: S311
        refreshing.refresh(
            grant,
            among=Grant.objects.all(),
            spend=lambda _: tokens_of(grant),
            record=lambda _: None,
        )
        done["refreshes"] += 1


if __name__ == "__main__":
    main()
