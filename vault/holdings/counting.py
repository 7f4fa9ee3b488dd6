"""How many grants there are, for operators: by state, and by when they are refreshed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from core.figures import patiently
from vault.models import Grant

_SOON = timedelta(hours=1)
# Workers look every few seconds: what is due for longer than this was left alone.
_LATE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Counted:
    """Grants by state, and of the live ones how many are due soon, and overdue."""

    live: int
    lapsed: int
    revoked: int
    due_soon: int
    overdue: int


def due_soon(at: datetime) -> Q:
    """Return the condition of grants that are refreshed within the hour, or should have been."""
    return Q(state=Grant.State.LIVE, next_refresh_at__lte=at + _SOON)


def overdue(at: datetime) -> Q:
    """Return the condition of grants that should have been refreshed a while ago."""
    return Q(state=Grant.State.LIVE, next_refresh_at__lte=at - _LATE)


def counted(*, at: datetime) -> Counted:
    """Return how many there are.

    Raises:
        TooMuchToCount: they cannot be counted in time.
    """
    states = {
        name: Count("pk", filter=Q(state=name)) for name in (str(state) for state in Grant.State)
    }
    with patiently():
        return Counted(
            **Grant.objects.aggregate(
                **states,
                due_soon=Count("pk", filter=due_soon(at)),
                overdue=Count("pk", filter=overdue(at)),
            )
        )
