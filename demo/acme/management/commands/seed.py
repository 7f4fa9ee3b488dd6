"""Put the demo's accounts and its client into the database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from demo.acme.roster import ACCOUNTS
from demo.acme.seeding import accounts_seed, client_seed


class Command(BaseCommand):
    """Seed, as often as one likes."""

    help = "Put the demo's accounts and its client into the database; safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        accounts_seed()
        client_seed()
        if options["verbosity"]:
            self.stdout.write(f"{len(ACCOUNTS)} accounts, 1 client.")
