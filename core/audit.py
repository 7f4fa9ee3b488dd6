"""The audit trail: append-only, and written before what it tells of happens.

A caller that is about to release a secret, or to let a call through, records first and acts
after. If the record cannot be written, `AuditUnavailable` is raised and nothing is released.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import cache, partial
from typing import Any, Literal, Self

import psycopg
from django.db import DatabaseError, models
from django.utils import timezone

from core import database, jsonb, reference
from core.errors import AppError
from core.models.audit import AuditEvent
from core.models.users import User
from core.subject import Subject
from core.together import Together

log = logging.getLogger(__name__)

_storing: set[asyncio.Future[None]] = set()

Outcome = Literal["allowed", "refused", "failed"]

_COLUMNS = (
    "at", "action", "outcome", "reason", "subject_iss", "subject_sub", "actor", "agent",
    "workload", "provider", "client", "reference", "client_ip", "detail",
)  # fmt: skip
_LISTED = ", ".join(_COLUMNS)
# Puts each row of `event` on record, for statements that do something and record it at once.
INSERT_EVENTS = (
    f"INSERT INTO core_auditevent ({_LISTED}) "  # noqa: S608  (literals above)
    f"SELECT {', '.join(f'event.{name}' for name in _COLUMNS)} FROM event"
)
_INSERT_ALL = f"""
    WITH event AS (
        SELECT * FROM jsonb_populate_recordset(NULL::core_auditevent, %s::jsonb)
    )
    {INSERT_EVENTS}
"""  # noqa: S608  (literals above)


class AuditUnavailable(AppError):
    """The trail cannot be written, so nothing may be released."""

    code = "audit_unavailable"
    status = 503
    aws = "InternalServerException"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes the site: an admin, the holder of an access key, or a program run by hand."""

    name: str
    subject: Subject | None = None

    @classmethod
    def person(cls, user: User) -> Actor:
        """Return `user` as an actor; the name is for reading, `(iss, sub)` says who it was."""
        return cls(user.display_name, user.subject)


@dataclass(frozen=True, slots=True)
class Event:
    """What is put on record. `detail` holds names and numbers, never a secret."""

    action: str
    outcome: Outcome = "allowed"
    reason: str = ""
    subject: Subject | None = None
    actor: str = ""
    agent: str = ""
    workload: str = ""
    provider: str = ""
    client: str = ""
    detail: dict[str, Any] = dataclass_field(default_factory=dict)

    def refused(self, error: AppError) -> Event:
        """Return the same, refused by `error`."""
        detail = {**self.detail, **error.told}
        return replace(self, outcome="refused", reason=error.code, detail=detail)

    def row(self) -> dict[str, Any]:
        """Return the event's columns, stamped with now and with the request's reference.

        What an agent asks during a call to it names that call in `detail`, too, and through whom
        the agent was called.
        What a stranger sent is cut to fit: an odd name must not keep its refusal off the record.
        """
        return {name: jsonb.storable(value) for name, value in self._columns().items()}

    def as_json(self) -> dict[str, Any]:
        """Return `row` for statements that store many, to which `jsonb.dumps` takes it."""
        columns = self._columns()
        columns["at"] = columns["at"].isoformat()
        return columns

    def _columns(self) -> dict[str, Any]:
        request = reference.current()
        columns: dict[str, Any] = {
            "at": timezone.now(),
            "action": self.action,
            "outcome": self.outcome,
            "reason": self.reason,
            "subject_iss": self.subject.iss if self.subject else "",
            "subject_sub": self.subject.sub if self.subject else "",
            "actor": self.actor,
            "agent": self.agent,
            "workload": self.workload,
            "provider": self.provider,
            "client": self.client,
            "reference": request.id,
            "client_ip": request.client_ip,
            "detail": self.detail,
        }
        for name, longest in _bounds():
            if len(columns[name]) > longest:
                columns[name] = columns[name][:longest]
        if request.invocation:
            columns["detail"] = {**columns["detail"], "invocation": request.invocation}
        if request.chain:
            columns["detail"] = {**columns["detail"], "chain": list(request.chain)}
        return columns


@cache
def _bounds() -> tuple[tuple[str, int], ...]:
    """Return the columns of bounded text, with how many characters each takes."""
    fields = (AuditEvent._meta.get_field(name) for name in _COLUMNS)
    return tuple(
        (field.name, field.max_length)
        for field in fields
        if isinstance(field, models.CharField) and field.max_length is not None
    )


def record(event: Event) -> None:
    """Store `event` in the caller's transaction, or at once where there is none.

    Raises:
        AuditUnavailable: the database did not take it.
    """
    try:
        AuditEvent.objects.create(**event.row())
    except DatabaseError as exc:
        raise AuditUnavailable(detail=type(exc).__name__) from exc


def record_all(events: Iterable[Event]) -> None:
    """Store `events` as `record` does, all of them in one statement.

    Raises:
        AuditUnavailable: the database took none of them.
    """
    try:
        AuditEvent.objects.bulk_create([AuditEvent(**event.row()) for event in events])
    except DatabaseError as exc:
        raise AuditUnavailable(detail=type(exc).__name__) from exc


async def arecord(event: Event) -> None:
    """Store `event` durably through the event loop's pool before returning.

    Events that come at the same time are stored by one statement.

    Raises:
        AuditUnavailable: the database did not take it within five seconds.
    """
    try:
        await _together.get(event.as_json())
    except psycopg.Error as exc:  # PoolTimeout is one of them
        raise AuditUnavailable(detail=type(exc).__name__) from exc


def later(event: Event) -> None:
    """Store `event` while its caller goes on: nothing is released after it.

    A trail that cannot be written is logged, and no more; a process that is killed meanwhile does
    not even do that.
    """
    storing = _together.ask(event.as_json())
    _storing.add(storing)
    storing.add_done_callback(partial(_stored, event.action))


async def settle() -> None:
    """Return once all that was to be stored later in the running event loop is, or cannot be."""
    here = asyncio.get_running_loop()
    while waiting := {one for one in _storing if one.get_loop() is here}:
        await asyncio.wait(waiting)


def _stored(action: str, storing: asyncio.Future[None]) -> None:
    _storing.discard(storing)
    if not storing.cancelled() and (exc := storing.exception()) is not None:
        log.error("audit.not_recorded", extra={"action": action, "detail": type(exc).__name__})


async def _store(rows: Sequence[dict[str, Any]]) -> list[None]:
    pool = await database.pool()
    async with pool.connection() as connection:  # it commits each statement
        await connection.execute(_INSERT_ALL, [jsonb.dumps(rows)], prepare=True)
    return [None] * len(rows)


_together: Together[dict[str, Any], None] = Together(_store, apart=database.OF_ONE)


@dataclass(slots=True)
class Attempt:
    """A block that may be left by a refusal, which is on record before it is answered.

    `event` is what is known of it so far. A trail that cannot be written is no refusal.
    """

    event: Event

    def learn(self, **known: Any) -> None:
        """Add columns of the event that are known by now."""
        self.event = replace(self.event, **known)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, AppError) and not isinstance(error, AuditUnavailable):
            record(self.event.refused(error))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, AppError) and not isinstance(error, AuditUnavailable):
            await arecord(self.event.refused(error))
