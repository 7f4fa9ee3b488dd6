"""The release of live grants' tokens: one statement that asks, finds, records and notes.

It asks who may act, finds the grants, puts each release on record and notes the use, all of it or
nothing; a sealed token is had from it and from nowhere else, and opened once it is committed. Two
execute it: the ORM's connection, for one question, and the event loop's pool, for all that are
asked at the same time.

A grant that is taken back, or a party that is switched off, before the statement begins is seen by
it. What it does not release is for `standing.admitted` and `token_read` to explain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import DatabaseError, connection, transaction

from agents.workload import Chain
from core import audit, database
from core.crypto import open_sealed
from core.subject import Subject
from core.together import Together
from vault import standing
from vault.asked.wanted import ResourceToken
from vault.models import CredentialProvider, Grant

# A use is noted again after so long; the audit trail has each.
_NOTED_FOR = timedelta(minutes=1)

_JOIN, _IS_NOT_OPEN = standing.opened(CredentialProvider)
# A note waits for nobody, and so for no other reader's note in another order: where somebody else
# is writing to the grant, the next use is noted.
_STATEMENT = f"""
    WITH asked AS (
        SELECT * FROM jsonb_to_recordset(%s::jsonb) AS asked (
            {standing.ASKED}, number int, scopes text[], target text, session text,
            at timestamptz, good_after timestamptz, noted_before timestamptz, event jsonb
        )
    ),
    answered AS (
        SELECT asked.*, workload.name AS workload_name, agent.agent_id,
            provider.id AS provider_id,
            coalesce({standing.MAY_NOT_ACT}, {_IS_NOT_OPEN}) AS refusal
        FROM asked {standing.ACTING} {_JOIN}
    ),
    released AS (
        SELECT answered.*, held.*
        FROM answered CROSS JOIN LATERAL (
            SELECT id AS grant_id, access_sealed, access_expires_at, generation,
                scopes AS granted, last_used_at
            FROM vault_grant
            WHERE user_sub = answered.sub
                AND user_iss = answered.iss
                AND workload_identity_id = answered.workload
                AND provider_id = answered.provider_id
                AND vault_grant.target = answered.target
                AND state = 'live'
                AND scopes @> answered.scopes
                AND (access_expires_at IS NULL OR access_expires_at > answered.good_after)
            LIMIT 1
        ) AS held
        WHERE answered.refusal IS NULL
    ),
    event AS (
        SELECT event.*
        FROM released, jsonb_populate_record(
            NULL::core_auditevent,
            released.event || jsonb_build_object(
                'agent', coalesce(agent_id, ''), 'workload', workload_name, 'provider', provider,
                'detail', released.event -> 'detail' || jsonb_build_object(
                    'grant', grant_id, 'generation', generation, 'scopes', granted
                )
            )
        ) AS event
    ),
    recorded AS ({audit.INSERT_EVENTS}),
    due AS (
        SELECT id FROM vault_grant
        WHERE id IN (SELECT grant_id FROM released
            WHERE last_used_at IS NULL OR last_used_at < noted_before)
        FOR NO KEY UPDATE SKIP LOCKED
    ),
    noted AS (
        UPDATE vault_grant SET last_used_at = released.at, last_used_session = released.session
        FROM released JOIN due ON due.id = released.grant_id
        WHERE vault_grant.id = due.id AND vault_grant.state = 'live'
    )
    SELECT number, grant_id, provider_id, access_sealed, access_expires_at, granted FROM released
"""  # noqa: S608  (put together of what this code says, and of nothing else)


class _Released(NamedTuple):
    number: int
    grant_id: UUID
    provider_id: UUID
    access_sealed: bytes
    access_expires_at: datetime | None
    granted: list[str]


@dataclass(frozen=True, slots=True)
class Question:
    """Which token is asked for, by whom and for whom; `good_for_s` is how long it must last."""

    workload_id: int
    subject: Subject
    provider_name: str
    groups: frozenset[str] | None
    chain: Chain
    scopes: tuple[str, ...]
    target: str
    session_id: str
    client: str
    good_for_s: float

    def row(self) -> dict[str, Any]:
        """Return what the statement is asked, with the event that this request puts on record."""
        event = audit.Event(
            "vault.token.released",
            subject=self.subject,
            client=self.client,
            detail={"session": self.session_id},
        ).row()
        at = event["at"]
        event["at"] = at.isoformat()
        return {
            **standing.question(
                workload_id=self.workload_id,
                subject=self.subject,
                provider_name=self.provider_name,
                groups=self.groups,
                chain=self.chain,
            ),
            "scopes": self.scopes,
            "target": self.target,
            "session": self.session_id,
            "at": event["at"],
            "good_after": (at + timedelta(seconds=self.good_for_s)).isoformat(),
            "noted_before": (at - _NOTED_FOR).isoformat(),
            "event": event,
        }

    def opened(self, released: _Released) -> ResourceToken:
        """Return the token of the grant that was released. Raises SealBroken, KeyMissing."""
        place = Grant.place(
            "access_sealed",
            row=released.grant_id,
            workload_id=self.workload_id,
            provider_id=released.provider_id,
            subject=self.subject,
        )
        return ResourceToken(
            open_sealed(released.access_sealed, bound_to=place),
            released.access_expires_at,
            tuple(released.granted),
        )


def release(asked: Question) -> ResourceToken | None:
    """Return the token, once its release is on record; None: nothing that may be released.

    Raises:
        AuditUnavailable: the database did not take the record, so nothing is released.
        SealBroken, KeyMissing: the token does not open.
    """
    try:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(_STATEMENT, _parameters([asked.row()]))
            row = cursor.fetchone()
    except DatabaseError as exc:
        raise audit.AuditUnavailable(detail=type(exc).__name__) from None
    return asked.opened(_Released(*row)) if row else None


async def arelease(asked: Question) -> ResourceToken | None:
    """Do the same on the event loop."""
    try:
        released = await _together.get(asked.row())
    except psycopg.Error as exc:  # PoolTimeout is one of them
        raise audit.AuditUnavailable(detail=type(exc).__name__) from None
    if released is None:
        return None
    return await database.here_or_on_thread(asked.opened, released)


async def _ask(rows: Sequence[dict[str, Any]]) -> list[_Released | None]:
    pool = await database.pool()
    async with pool.connection() as mine:  # it commits each statement
        cursor = await mine.execute(_STATEMENT, _parameters(rows), prepare=True)
        released = {row[0]: _Released(*row) for row in await cursor.fetchall()}
    return [released.get(number) for number in range(len(rows))]


# A round takes about as long as it is held for company.
_together: Together[dict[str, Any], _Released | None] = Together(
    _ask, apart=database.OF_ONE, gather_s=0.006
)


def _parameters(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [json.dumps([{**row, "number": number} for number, row in enumerate(rows)])]
