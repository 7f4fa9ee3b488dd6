"""Sessions as people, operators and admins see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from agents.models import RuntimeSession
from agents.sessions.errors import RuntimeSessionUnknown
from agents.sessions.owners import OPERATORS
from core.subject import Subject

LIVE, STOPPED, EXPIRED = "live", "stopped", "expired"
_WORKLOADS = Subject.of_workload("").iss


@dataclass(frozen=True, slots=True)
class Filters:
    """Which sessions are meant. What is empty leaves them all."""

    owner: Subject | None = None
    agent: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """One session. It is a person's, a workload identity's, or the operators' own (neither)."""

    id: int
    session_id: str
    agent: str
    agent_name: str
    endpoint: str
    user: Subject | None
    workload_identity: str | None
    state: str
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime
    stopped_at: datetime | None


def page(
    filters: Filters, *, before: int | None, limit: int, at: datetime
) -> tuple[list[Listed], int | None]:
    """Return the next sessions, in the order in which their ids were first used, newest first.

    And the id before which to go on, if any.
    """
    rows = RuntimeSession.objects.select_related("agent").order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    if filters.owner is not None:
        rows = rows.of(filters.owner)
    if filters.agent:
        rows = rows.filter(agent__agent_id=filters.agent)
    if filters.state:
        rows = rows.filter(in_state(filters.state, at=at))
    found: Sequence[RuntimeSession] = list(rows[: limit + 1])
    listed = [_listed(row, at) for row in found[:limit]]
    return listed, listed[-1].id if len(found) > limit else None


def of_id(session_id: int, *, owner: Subject | None) -> RuntimeSession:
    """Return the session of a listed id; of `owner`, if given. Raises RuntimeSessionUnknown."""
    rows = RuntimeSession.objects.filter(pk=session_id)
    found = (rows if owner is None else rows.of(owner)).first()
    if found is None:
        raise RuntimeSessionUnknown
    return found


def state_of(session: RuntimeSession, *, at: datetime) -> str:
    """Return whether it goes on, was stopped, or ended by one of its limits."""
    if session.ended_at is not None:
        return STOPPED
    return LIVE if session.is_live(at=at) else EXPIRED


def workload_of(owner: Subject) -> str | None:
    """Return the name of the workload identity whose own a session is, if it is one's own."""
    return owner.sub if owner.iss == _WORKLOADS else None


def in_state(state: str, *, at: datetime) -> Q:
    """Return which sessions are in `state`."""
    if state == STOPPED:
        return Q(ended_at__isnull=False)
    ends = Q(expires_at__gt=at) if state == LIVE else Q(expires_at__lte=at)
    return Q(ended_at=None) & ends


def _listed(row: RuntimeSession, at: datetime) -> Listed:
    workload = workload_of(row.owner)
    return Listed(
        id=row.pk,
        session_id=row.session_id,
        agent=row.agent.agent_id,
        agent_name=row.agent.display_name,
        endpoint=row.endpoint,
        user=None if workload is not None or row.owner == OPERATORS else row.owner,
        workload_identity=workload,
        state=state_of(row, at=at),
        started_at=row.started_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        stopped_at=row.ended_at,
    )
