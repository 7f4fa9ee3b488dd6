"""The audit trail: append-only, and written before what it tells of happens.

A caller that is about to release a secret, or to let a call through, records first and acts
after. If the record cannot be written, `AuditUnavailable` is raised and nothing is released.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from django.db import DatabaseError
from django.utils import timezone
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from core import database, reference
from core.errors import AppError
from core.models.audit import AuditEvent
from core.subject import Subject

Outcome = Literal["allowed", "refused", "failed"]

_COLUMNS = (
    "at", "action", "outcome", "reason", "subject_iss", "subject_sub", "actor", "agent",
    "workload", "provider", "client", "reference", "client_ip", "detail",
)  # fmt: skip
_INSERT = (
    f"INSERT INTO core_auditevent ({', '.join(_COLUMNS)}) "  # noqa: S608  (literals above)
    f"VALUES ({', '.join(['%s'] * len(_COLUMNS))})"
)


class AuditUnavailable(AppError):
    """The trail cannot be written, so nothing may be released."""

    code = "audit_unavailable"
    status = 503
    aws = "InternalServerException"


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
    detail: dict[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Return the event's columns, stamped with now and with the request's reference."""
        request = reference.current()
        return {
            "at": timezone.now(),
            "action": self.action,
            "outcome": self.outcome,
            "reason": self.reason,
            "subject_iss": self.subject.iss if self.subject else "",
            "subject_sub": self.subject.sub if self.subject else "",
            "actor": self.actor[:255],
            "agent": self.agent,
            "workload": self.workload,
            "provider": self.provider,
            "client": self.client[:255],
            "reference": request.id,
            "client_ip": request.client_ip,
            "detail": self.detail,
        }


def record(event: Event) -> None:
    """Store `event` in the caller's transaction, or at once where there is none.

    Raises:
        AuditUnavailable: the database did not take it.
    """
    try:
        AuditEvent.objects.create(**event.row())
    except DatabaseError as exc:
        raise AuditUnavailable(detail=str(exc)) from exc


async def arecord(event: Event) -> None:
    """Store `event` durably through the event loop's pool before returning.

    Raises:
        AuditUnavailable: the database did not take it within five seconds.
    """
    row = event.row()
    values = [Jsonb(row[name]) if name == "detail" else row[name] for name in _COLUMNS]
    try:
        pool = await database.pool()
        async with pool.connection() as connection:
            await connection.execute(_INSERT, values)
    except (psycopg.Error, PoolTimeout) as exc:
        raise AuditUnavailable(detail=str(exc)) from exc
