"""Forgetting sessions whose ids say for ever whose they were."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from agents.models import RuntimeSession

# For so long somebody may want to see in the list what there was.
_KEPT_FOR = timedelta(days=1)
_BATCH = 5000


def forget_old(*, at: datetime, for_s: float) -> int:
    """Delete the rows of sessions that ended long ago and that nobody else can begin again.

    Returns how many. A session whose id its client chose keeps its row for as long as the agent
    is registered: what the agent remembers under it is its owner's.
    """
    until = time.monotonic() + for_s
    forgotten = 0
    while time.monotonic() < until:
        due = RuntimeSession.objects.forgettable(before=at - _KEPT_FOR).order_by("started_at")
        # Whoever uses one of them at this moment keeps it.
        deleted, _ = (
            RuntimeSession.objects.filter(pk__in=list(due.values_list("pk", flat=True)[:_BATCH]))
            .over(at=at - _KEPT_FOR)
            .delete()
        )
        forgotten += deleted
        if deleted < _BATCH:
            break
    return forgotten
