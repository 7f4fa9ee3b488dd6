"""`make chaos`: a long storm over the site, and a summary of what came of it."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

import django

# The providers of the storm are on this machine.
os.environ["DAIKO_ALLOWED_PRIVATE_HOSTS"] = "127.0.0.1"
os.environ["LOG_LEVEL"] = "CRITICAL"
os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
django.setup(set_prefix=False)

from django.core.management import call_command  # noqa: E402  (models need Django set up)

from tests.chaos.storm import storm  # noqa: E402


def main() -> int:
    """Run a storm and print what came of it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--interleavings", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    asked = parser.parse_args()
    _say(f"seed {asked.seed}")
    call_command("migrate", verbosity=0)
    log = Path("var", "log", "chaos.log").absolute()
    log.parent.mkdir(parents=True, exist_ok=True)
    came = storm(seed=asked.seed, interleavings=asked.interleavings, log=log, told=_say)
    _say(str(came))
    return 1 if came.wrong else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
