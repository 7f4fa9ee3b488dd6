"""Put the demo's people and its client into the database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from demo.idp.roster import PEOPLE
from demo.idp.seeding import clients_seed, people_seed


class Command(BaseCommand):
    """Seed, as often as one likes."""

    help = "Put the demo's people and its client into the database; safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        people_seed()
        clients_seed()
        if options["verbosity"]:
            self.stdout.write(f"{len(PEOPLE)} people, 1 client.")
