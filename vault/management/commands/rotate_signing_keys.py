"""`manage.py rotate_signing_keys`: new keys for client assertions."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from vault.models import SigningKey
from vault.providers.signing_keys import signing_keys_rotate

_ACTOR = "manage.py rotate_signing_keys"


class Command(BaseCommand):
    """Publishes a new key for each kind in use; it signs once providers have seen it."""

    help = (
        "Make new keys for client assertions (private_key_jwt). They are published at once, and "
        "sign in a day's time, so that providers that keep the key set for a while know them; the "
        "old ones stay published for a day after that. After a leak, use --now: the new ones sign "
        "at once, and the old ones are gone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether to wait, and whether to say only what would be done."""
        parser.add_argument("--now", action="store_true", help="sign at once; drop the old ones")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")

    def handle(self, *args: Any, now: bool, dry_run: bool, **options: Any) -> None:
        """Make the keys, and say in one line which."""
        if dry_run:
            kinds = SigningKey.kinds_in_use()
        else:
            kinds = signing_keys_rotate(at_once=now, actor=_ACTOR)
        done = "would be made" if dry_run else "made"
        hours = SigningKey.PUBLISHED_BEFORE.total_seconds() / 3600
        when = "at once" if now else f"in {hours:.0f} hours"
        self.stdout.write(f"Keys {done}: {', '.join(kinds) or 'none'}; they sign {when}.")
