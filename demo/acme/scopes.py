"""What a client can be allowed to do, and how a person is told."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

READ = "calendar.read"
WRITE = "calendar.write"

SCOPES: dict[str, Promise] = {
    READ: _("See the events in your calendar"),
    WRITE: _("Add events to your calendar and change them"),
}

# What a client may do as itself; no person is asked for it, and none can grant it.
STATUS = "status.read"
SERVICE_SCOPES = frozenset({STATUS})


def words(scope: str) -> list[Promise]:
    """Return what the space-separated `scope` means, one sentence each."""
    return [SCOPES[name] for name in scope.split()]
