"""`manage.py openapi`: print the OpenAPI document, which stands in docs/openapi.json."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from portal.api.openapi import document


class Command(BaseCommand):
    """Print the OpenAPI document of the site's own API."""

    help = "Print the OpenAPI document of the site's own API, for docs/openapi.json."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        self.stdout.write(json.dumps(document(), indent=1, ensure_ascii=False))
