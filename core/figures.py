"""What the audit trail says in numbers, over a window of time.

The trail may hold millions of events, so each figure is read from an index alone, over a window
that ends, and for no longer than a few seconds: a page waits for it. Nothing is locked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db import OperationalError, connection, transaction
from django.db.models import Count
from django.db.models.functions import Trunc
from psycopg import errors

from core.errors import AppError
from core.models import AuditEvent

_PATIENCE_MS = 3000
_MEASURED = 5000  # the latest calls, of which durations are taken
_DURATIONS = """
    SELECT agent, count(*), percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY ms)
    FROM (
        SELECT agent, (detail ->> 'duration_ms')::float8 AS ms FROM core_auditevent
        WHERE action = %s AND at >= %s AND at < %s ORDER BY at DESC LIMIT %s
    ) AS measured
    WHERE ms IS NOT NULL GROUP BY agent
"""


class TooMuchToCount(AppError):
    """A figure took too long to be read."""

    code = "too_much_to_count"
    status = 503
    message = "There is too much on record to count it now."


@dataclass(frozen=True, slots=True)
class Window:
    """A time that begins and ends at whole hours or days (UTC), as `step` says."""

    since: datetime
    until: datetime
    step: Literal["hour", "day"]

    @classmethod
    def ending(cls, at: datetime, *, steps: int, step: Literal["hour", "day"]) -> Window:
        """Return the last `steps` hours or days, the one of `at` among them."""
        begun = at.replace(minute=0, second=0, microsecond=0)
        if step == "day":
            begun = begun.replace(hour=0)
        length = _LENGTHS[step]
        return cls(begun - (steps - 1) * length, begun + length, step)

    @property
    def steps(self) -> list[datetime]:
        """Return when each hour or day of it begins."""
        count = (self.until - self.since) // self.length
        return [self.since + n * self.length for n in range(count)]

    @property
    def length(self) -> timedelta:
        """Return how long a step is."""
        return _LENGTHS[self.step]


_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Duration:
    """How long calls took, in milliseconds: half of them took longer, and a tenth of them."""

    agent: str
    calls: int
    median_ms: float
    slowest_tenth_ms: float


@contextmanager
def patiently() -> Iterator[None]:
    """Run a block whose statements each may take a few seconds, and lock nothing.

    Raises:
        TooMuchToCount: one took longer.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {_PATIENCE_MS}")
            yield
    except OperationalError as exc:
        if isinstance(exc.__cause__, errors.QueryCanceled):
            raise TooMuchToCount from exc
        raise


def counts(window: Window, *, actions: Sequence[str]) -> dict[str, Counter[datetime]]:
    """Return how often each of `actions` is on record, whatever its outcome, at each step.

    Raises:
        TooMuchToCount: it cannot be counted in time.
    """
    found: dict[str, Counter[datetime]] = {action: Counter() for action in actions}
    rows = _at_steps(window).filter(action__in=actions).values_list("action", "step")
    with patiently():
        for action, step, count in rows.annotate(count=Count("*")).order_by():
            found[action][step] += count
    return found


@dataclass(frozen=True, slots=True)
class Mishap:
    """How often something was refused or failed for one reason, at one step."""

    step: datetime
    action: str
    outcome: str
    reason: str
    count: int


def mishaps(window: Window) -> list[Mishap]:
    """Return what was refused or failed.

    Raises:
        TooMuchToCount: it cannot be counted in time.
    """
    refused, failed = AuditEvent.Outcome.REFUSED, AuditEvent.Outcome.FAILED
    rows = _at_steps(window).filter(outcome__in=(refused, failed))
    grouped = rows.values_list("step", "action", "outcome", "reason")
    with patiently():
        return [Mishap(*row) for row in grouped.annotate(count=Count("*")).order_by()]


def durations(window: Window, *, action: str) -> list[Duration]:
    """Return how long the latest calls took, as events of `action` say, by agent; slowest first.

    Raises:
        TooMuchToCount: it cannot be read in time.
    """
    with patiently(), connection.cursor() as cursor:
        cursor.execute(_DURATIONS, [action, window.since, window.until, _MEASURED])
        found = [Duration(agent, count, *both) for agent, count, both in cursor.fetchall()]
    return sorted(found, key=lambda one: -one.slowest_tenth_ms)


def _at_steps(window: Window) -> Any:
    events = AuditEvent.objects.filter(at__gte=window.since, at__lt=window.until)
    return events.annotate(step=Trunc("at", window.step))
