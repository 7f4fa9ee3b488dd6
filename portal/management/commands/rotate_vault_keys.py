"""`manage.py rotate_vault_keys`: new keys for all that is sealed, while the site runs."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import rotation
from core.errors import AppError
from core.rotation import Plan, Rotated, Step

_ACTOR = "manage.py rotate_vault_keys"
_NOT_ALL, _BUSY, _UNAVAILABLE = 1, 2, 3
_EVERY_S = 2.0


class Command(BaseCommand):
    """Wraps data keys by the newest key, seals everything under new ones, destroys unused ones."""

    help = (
        "Wrap all data keys by the newest key (VAULT_KEYS, VAULT_KMS_KEY_ARN, or the token vault's "
        "own), seal every secret under new data keys, and destroy data keys that nothing needs. "
        "Runs beside the site, and goes on where it was interrupted. Exit status 1: something does "
        "not open; 2: it runs already; 3: a key cannot be used now."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether to say only what would be done."""
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        """Rotate, showing progress, and say in one line what was done."""
        if dry_run:
            self.stdout.write(_told(rotation.plan()))
            return
        try:
            with rotation.alone():
                done = rotation.rotate(actor=_ACTOR, progress=self._progress())
        except rotation.AlreadyRunning:
            raise CommandError("Another rotation is running.", returncode=_BUSY) from None
        except AppError as exc:
            message = f"A key cannot be used ({exc}). What was done stays; run this again."
            raise CommandError(message, returncode=_UNAVAILABLE) from None
        self.stdout.write(_summary(done))
        if done.unreadable:
            lacking = ", ".join(f"{why} ({n} values)" for why, n in done.unreadable.items())
            message = f"Left as they are, since they do not open: {lacking}. See vault_doctor."
            raise CommandError(message, returncode=_NOT_ALL)

    def _progress(self) -> rotation.Progress:
        began = told_at = time.monotonic()

        def progress(step: Step) -> None:
            nonlocal told_at
            now = time.monotonic()
            if now - told_at >= _EVERY_S:
                told_at = now
                rate = step.resealed / (now - began)
                left = f"{step.left:,} left, about {_duration(step.left, rate)}"
                self.stderr.write(
                    f"{step.table}: {step.resealed:,} sealed anew, {rate:,.0f} a second; {left}"
                )

        return progress


def _duration(left: int, rate: float) -> str:
    minutes, seconds = divmod(round(left / rate) if rate else 0, 60)
    return f"{minutes} min {seconds:02} s"


def _told(planned: Plan) -> str:
    lines = [f"{planned.to_rewrap} data keys to wrap anew"]
    if planned.goes_on:
        lines.append("a rotation that was interrupted goes on")
    lines += [
        f"{count:,} values to seal anew in {name}" for name, count in planned.to_reseal.items()
    ]
    return "\n".join([*lines, f"{planned.to_destroy} data keys to destroy"])


def _summary(done: Rotated) -> str:
    waiting = done.waiting_until
    later = f"; a worker destroys the old after {waiting:%Y-%m-%d %H:%M} UTC" if waiting else ""
    return (
        f"{done.rewrapped} data keys wrapped anew, {done.resealed:,} values sealed anew, "
        f"{done.destroyed} data keys destroyed{later}."
    )
