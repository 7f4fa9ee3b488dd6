"""`make chaos`: a long storm over a provider that forgives, and one over one that does not."""

from __future__ import annotations

import argparse
import os
import secrets
import sys

import django

# The provider of the storm is on this machine.
os.environ["DAIKO_ALLOWED_PRIVATE_HOSTS"] = "127.0.0.1"
os.environ["LOG_LEVEL"] = "ERROR"
os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
django.setup(set_prefix=False)

from django.core.management import call_command  # noqa: E402  (models need Django set up)

from tests.chaos.storm import storm  # noqa: E402


def main() -> int:
    """Run both storms and print what came of them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--interleavings", type=int, default=100_000, help="of both together")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    asked = parser.parse_args()
    sys.stdout.write(f"seed {asked.seed}\n")
    sys.stdout.flush()
    call_command("migrate", verbosity=0)
    wrong = False
    for forgives in (True, False):
        call_command("flush", verbosity=0, interactive=False)
        came = storm(seed=asked.seed, interleavings=asked.interleavings // 2, forgives=forgives)
        sys.stdout.write(f"{'with' if forgives else 'without'} grace, {came}\n")
        sys.stdout.flush()
        wrong = wrong or bool(came.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
