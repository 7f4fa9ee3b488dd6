"""`manage.py vault_doctor`: open all that is sealed, and say what is wrong."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.key_errors import KeyUnavailable
from vault.upkeep import doctor
from vault.upkeep.doctor import Finding, Step

_ACTOR = "manage.py vault_doctor"
_WRONG, _UNAVAILABLE = 1, 3
_EVERY_S = 2.0


class Command(BaseCommand):
    """Examines the vault. Changes nothing, unless told to mend what can be mended safely."""

    help = (
        "Open every sealed value, name missing keys and broken seals, and find what is late or "
        "should not be there. Exit status 1: something is wrong; 3: KMS does not answer."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether to mend, and for whom to write."""
        parser.add_argument("--fix", action="store_true", help="mend what loses nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, fix: bool, json: bool, **options: Any) -> None:
        """Print each finding when it is found, and a summary."""
        self._opened, self._began = 0, time.monotonic()
        self._told_at = self._began
        found = wrong = mended = 0
        try:
            for one in doctor.examine(fix=fix, actor=_ACTOR, progress=self._progress):
                self.stdout.write(_as_json(one.as_dict()) if json else _in_words(one))
                found += 1
                mended += one.mended
                wrong += one.is_wrong and not one.mended
        except KeyUnavailable as exc:
            raise CommandError(f"KMS does not answer ({exc}).", returncode=_UNAVAILABLE) from None
        counts = {"opened": self._opened, "found": found, "wrong": wrong, "mended": mended}
        self.stdout.write(_as_json({"summary": counts}) if json else _summary(counts))
        if wrong:
            raise CommandError(f"{wrong} findings are wrong.", returncode=_WRONG)

    def _progress(self, step: Step) -> None:
        self._opened = step.opened
        now = time.monotonic()
        if now - self._told_at >= _EVERY_S:
            self._told_at = now
            rate = step.opened / (now - self._began)
            self.stderr.write(
                f"{step.table}: {step.opened:,} values, {rate:,.0f} a second; {step.left:,} left"
            )


def _as_json(members: dict[str, Any]) -> str:
    return json.dumps(members, separators=(",", ":"))


def _in_words(one: Finding) -> str:
    state = "mended" if one.mended else "wrong" if one.is_wrong else "note"
    about = [one.where, one.row, f"key {one.key}" if one.key else ""]
    times = f" ({one.count:,} rows)" if one.count > 1 else ""
    return f"{state}: {' '.join(part for part in about if part)}: {one.words} [{one.check}]{times}"


def _summary(counts: dict[str, int]) -> str:
    return (
        f"{counts['opened']:,} sealed values looked at, {counts['found']} findings: "
        f"{counts['wrong']} wrong, {counts['mended']} mended."
    )
