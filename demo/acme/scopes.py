"""What a client can be allowed to do, by which grants, and how a person is told."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

READ = "calendar.read"
WRITE = "calendar.write"

SCOPES: dict[str, Promise] = {
    READ: _("See the events in your calendar"),
    WRITE: _("Add events to your calendar and change them"),
}

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  (a name)
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_TYPES = (
    *("authorization_code", "refresh_token", "client_credentials"),
    *(TOKEN_EXCHANGE, JWT_BEARER),
)

# What a client may do as itself; no person is asked for it, and none can grant it.
STATUS = "status.read"
SERVICE_SCOPES = frozenset({STATUS})


def words(scope: str) -> list[Promise]:
    """Return what the space-separated `scope` means, one sentence each."""
    return [SCOPES[name] for name in scope.split()]
