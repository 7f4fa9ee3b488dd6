"""The site with no call put on record, so that what recording costs can be told.

There is no such switch in the site, and none is made: this process alone replaces what calls get on
record by. Whoever measures checks that the trail does not grow.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup(set_prefix=False)


async def _forget(event: object) -> None:
    """Do nothing with what was to be recorded."""


def _forget_later(event: object) -> None:
    """Do nothing with what was to be recorded beside the answer."""


def _unrecorded() -> Any:
    """Return the site. Statements are put together at import, so the trail is replaced before."""
    audit: Any = import_module("core.audit")
    audit.INSERT_EVENTS = "SELECT FROM event WHERE false"
    audit.arecord, audit.later = _forget, _forget_later
    return import_module("portal.asgi").application


application = _unrecorded()
