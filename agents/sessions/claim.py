"""Claiming a session: the one statement after which a call may go to its agent.

It takes the session for its owner, or begins one, and puts the call on record, all of it or
nothing; where the id is somebody else's, it does nothing. Calls that come at the same time share
it. A session that is stopped before the statement begins is seen by it, in every process.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from agents.sessions import ids
from agents.sessions.errors import SessionForeign
from core import audit, database, jsonb
from core.subject import Subject
from core.together import Together

# Rows are taken in one order by everybody, so that no two rounds wait for each other in a circle.
_STATEMENT = f"""
    WITH asked AS (
        SELECT * FROM jsonb_to_recordset(%s::jsonb) AS asked (
            number int, agent text, session text, iss text, sub text, endpoint text,
            idle_s int, lifetime_s int, allocated boolean, may_begin boolean, event jsonb
        )
    ),
    claimed AS (
        INSERT INTO agents_runtimesession AS held (
            agent_id, session_id, owner_iss, owner_sub, is_allocated, endpoint, idle_s, lifetime_s,
            started_at, last_used_at, expires_at, ended_by
        )
        SELECT DISTINCT ON (agent, session)
            agent, session, iss, sub, allocated, endpoint, idle_s, lifetime_s,
            now(), now(), now() + least(idle_s, lifetime_s) * interval '1 second', ''
        FROM asked
        WHERE may_begin OR EXISTS (
            SELECT FROM agents_runtimesession AS known
            WHERE known.agent_id = asked.agent AND known.session_id = asked.session
        )
        ORDER BY agent, session, number DESC
        ON CONFLICT (agent_id, session_id) DO UPDATE SET
            endpoint = excluded.endpoint,
            idle_s = excluded.idle_s,
            lifetime_s = excluded.lifetime_s,
            started_at = CASE
                WHEN held.ended_at IS NULL AND held.expires_at > now() THEN held.started_at
                ELSE now()
            END,
            -- Another process may have begun it after this statement began to wait for the row.
            last_used_at = greatest(now(), held.started_at),
            expires_at = CASE
                WHEN held.ended_at IS NULL AND held.expires_at > now() THEN least(
                    now() + excluded.idle_s * interval '1 second',
                    held.started_at + excluded.lifetime_s * interval '1 second'
                )
                ELSE excluded.expires_at
            END,
            ended_at = NULL,
            ended_by = ''
        WHERE held.owner_iss = excluded.owner_iss AND held.owner_sub = excluded.owner_sub
        RETURNING id, agent_id, session_id, started_at
    ),
    granted AS (
        SELECT asked.number, asked.event, claimed.id, claimed.started_at
        FROM asked JOIN claimed
            ON claimed.agent_id = asked.agent AND claimed.session_id = asked.session
    ),
    event AS (
        SELECT event.* FROM granted,
            jsonb_populate_record(NULL::core_auditevent, granted.event) AS event
        ORDER BY granted.number
    ),
    recorded AS ({audit.INSERT_EVENTS})
    SELECT number, id, started_at FROM granted
"""  # noqa: S608  (put together of what this code says, and of nothing else)


@dataclass(frozen=True, slots=True)
class Asked:
    """The session that a call is to be made in, for whom, and the limits of the agent's version."""

    agent_id: str
    session_id: str
    owner: Subject
    endpoint: str
    idle_s: int
    lifetime_s: int

    def row(self) -> dict[str, Any]:
        """Return what the statement is asked."""
        allocated = ids.is_allocated(self.session_id, agent_id=self.agent_id, owner=self.owner)
        return {
            "agent": self.agent_id,
            "session": self.session_id,
            "iss": self.owner.iss,
            "sub": self.owner.sub,
            "endpoint": self.endpoint,
            "idle_s": self.idle_s,
            "lifetime_s": self.lifetime_s,
            "allocated": allocated,
            "may_begin": allocated or not ids.is_of_our_shape(self.session_id),
        }


@dataclass(frozen=True, slots=True)
class Session:
    """One session from its start on: after its end, another may stand in the same row."""

    row_id: int
    started_at: datetime


async def claimed(event: audit.Event, asked: Asked) -> Session:
    """Return the session, used just now by its owner, once `event` is on record.

    Under an id that is nobody's, or whose session is over, the owner begins another one.

    Raises:
        SessionForeign: the id is somebody else's. Nothing was changed or recorded.
        AuditUnavailable: the database did not take it.
    """
    row = {**asked.row(), "event": event.as_json()}
    try:
        session = await _together.get(row)
    except psycopg.Error as exc:  # PoolTimeout is one of them
        raise audit.AuditUnavailable(detail=type(exc).__name__) from None
    if session is None:
        raise SessionForeign(detail=f"session {asked.session_id}")
    return session


async def _ask(rows: Sequence[dict[str, Any]]) -> list[Session | None]:
    """Return each one's session. Where two want the same id, the first one's claim goes first."""
    answers: list[Session | None] = [None] * len(rows)
    waiting = list(enumerate(rows))
    while waiting:
        owners: dict[tuple[str, str], tuple[str, str]] = {}
        taken: list[tuple[int, dict[str, Any]]] = []
        rest: list[tuple[int, dict[str, Any]]] = []
        for number, row in waiting:
            owner = row["iss"], row["sub"]
            is_first = owners.setdefault((row["agent"], row["session"]), owner) == owner
            (taken if is_first else rest).append((number, row))
        for number, session in await _claim(taken):
            answers[number] = session
        waiting = rest
    return answers


async def _claim(taken: Sequence[tuple[int, dict[str, Any]]]) -> list[tuple[int, Session]]:
    asked = _as_json([{**row, "number": number} for number, row in taken])
    pool = await database.pool()
    async with pool.connection() as mine:  # it commits each statement
        cursor = await mine.execute(_STATEMENT, [asked], prepare=True)
        return [(number, Session(*found)) for number, *found in await cursor.fetchall()]


def _as_json(rows: Sequence[dict[str, Any]]) -> str:
    """Return what is asked as JSON. An odd event is made to fit; whose a session is never is."""
    text = json.dumps(rows)
    if jsonb.is_storable(text):
        return text
    return json.dumps([{**row, "event": jsonb.storable(row["event"])} for row in rows])


_together: Together[dict[str, Any], Session | None] = Together(_ask, apart=database.OF_ONE)
