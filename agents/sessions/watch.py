"""Calls under way, cut when their session ends or somebody in them is switched off, in any process.

Each process asks about all of its open sessions with one statement, again and again for as long as
any is open. The same statement notes that they are in use, so that no session ends for being idle
while an answer streams in it, and the idle time counts from the last call's end.

Where the database cannot be asked, calls under way go on: nobody can stop anything there either.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import weakref
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import psycopg

from agents.sessions.claim import Session
from agents.sessions.errors import (
    AgentSwitchedOff,
    PersonSwitchedOff,
    SessionExpired,
    SessionOver,
    SessionStopped,
    WorkloadSwitchedOff,
)
from agents.workload import Chain
from core import database
from core.subject import Subject

log = logging.getLogger(__name__)

_EVERY_S = 0.5
# How often a use that goes on is noted: at least four times before it would be taken for idle.
_NOTED_EVERY_S = 60
# A note waits for nobody: whoever holds the row is noting a use himself, or ending the session.
_STATEMENT = f"""
    WITH open AS (
        SELECT * FROM jsonb_to_recordset(%s::jsonb) AS open (
            number int, id bigint, started timestamptz, has_ended boolean, through jsonb
        )
    ),
    found AS (
        SELECT open.number, open.has_ended, held.id,
            CASE
                WHEN held.id IS NULL OR held.started_at <> open.started
                    OR held.ended_at IS NOT NULL THEN '{SessionStopped.code}'
                WHEN held.started_at + held.lifetime_s * interval '1 second' <= now()
                    THEN '{SessionExpired.code}'
                WHEN NOT agent.enabled THEN '{AgentSwitchedOff.code}'
                WHEN NOT identity.enabled OR NOT caller.enabled OR EXISTS (
                    SELECT FROM jsonb_array_elements_text(open.through) AS link (id)
                    LEFT JOIN agents_workloadidentity AS acting ON acting.id = link.id::bigint
                    LEFT JOIN agents_agent AS its ON its.workload_identity_id = acting.id
                    WHERE acting.enabled IS NOT TRUE OR NOT its.enabled
                ) THEN '{WorkloadSwitchedOff.code}'
                WHEN NOT person.is_active THEN '{PersonSwitchedOff.code}'
            END AS over
        FROM open LEFT JOIN agents_runtimesession AS held ON held.id = open.id
        LEFT JOIN agents_agent AS agent ON agent.agent_id = held.agent_id
        LEFT JOIN agents_workloadidentity AS identity ON identity.id = agent.workload_identity_id
        LEFT JOIN agents_workloadidentity AS caller
            ON held.owner_iss = '{Subject.of_workload("").iss}' AND caller.name = held.owner_sub
        LEFT JOIN core_user AS person
            ON person.iss = held.owner_iss AND person.sub = held.owner_sub
    ),
    due AS (
        SELECT held.id
        FROM agents_runtimesession AS held JOIN found ON found.id = held.id
        WHERE found.over IS NULL AND held.ended_at IS NULL AND (
            found.has_ended
            OR held.last_used_at < now()
                - least({_NOTED_EVERY_S}, held.idle_s / 4) * interval '1 second'
        )
        FOR NO KEY UPDATE OF held SKIP LOCKED
    ),
    noted AS (
        UPDATE agents_runtimesession AS held
        SET last_used_at = greatest(now(), held.started_at), expires_at = least(
            now() + held.idle_s * interval '1 second',
            held.started_at + held.lifetime_s * interval '1 second'
        )
        FROM due WHERE held.id = due.id
    )
    SELECT number, over FROM found WHERE over IS NOT NULL AND NOT has_ended
"""  # noqa: S608  (put together of what this code says, and of nothing else)
_KINDS: dict[str, type[SessionOver]] = {
    kind.code: kind
    for kind in (
        SessionStopped,
        SessionExpired,
        AgentSwitchedOff,
        WorkloadSwitchedOff,
        PersonSwitchedOff,
    )
}


class Use:
    """One call, or one connection, in a session, made by the task that runs the block.

    Where the session ends first, whatever the task waits for is cancelled, and SessionOver leaves
    the block in place of that. `over` says why it was cut, once it is. `through` are the agents
    that the call came through.
    """

    __slots__ = ("_cancelling", "_task", "_watch", "began", "over", "session", "through")

    def __init__(self, session: Session, *, through: Chain = ()) -> None:
        self.session = session
        self.through = through
        self.began = time.monotonic()
        self.over: SessionOver | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._watch = _of_this_loop()

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task else 0
        self._watch.add(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.remove(self)
        if self.over is None or self._task is None:
            return
        # Somebody else may have cancelled the task as well, and then that is how it ends.
        only_ours = self._task.uncancel() <= self._cancelling
        if only_ours and kind is asyncio.CancelledError:
            raise self.over from None

    def end(self, over: SessionOver) -> None:
        """Cut it: whatever its task waits for is cancelled."""
        if self.over is None and self._task is not None:
            self.over = over
            self._task.cancel()


class _Watch:
    """What is open in one event loop, and the task that asks there while anything is."""

    def __init__(self) -> None:
        self._open: set[Use] = set()
        self._ended: set[Session] = set()
        self._asking: asyncio.Task[None] | None = None

    def add(self, use: Use) -> None:
        """Watch a use."""
        self._open.add(use)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._go(), name="sessions-watch")

    def remove(self, use: Use) -> None:
        """Watch it no more; what took longer than a moment is noted once again."""
        self._open.discard(use)
        if use.over is None and time.monotonic() - use.began > _EVERY_S:
            self._ended.add(use.session)

    async def close(self) -> None:
        """End the task."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _go(self) -> None:
        while self._open or self._ended:
            await asyncio.sleep(_EVERY_S)
            try:
                await self._look()
            except psycopg.Error as exc:  # PoolTimeout is one of them
                log.warning("sessions.not_watched", extra={"detail": type(exc).__name__})
            except Exception:  # the boundary of a loop without which no stop is heard of
                log.exception("sessions.watch_broke")

    async def _look(self) -> None:
        uses = list(self._open)
        ended, self._ended = self._ended - {use.session for use in uses}, set()
        if not uses and not ended:
            return
        sessions = [
            *((use.session, use.through, False) for use in uses),
            *((one, (), True) for one in ended),
        ]
        for number, code in await _over(sessions):
            uses[number].end(_KINDS[code]())


async def _over(sessions: Iterable[tuple[Session, Chain, bool]]) -> list[tuple[int, str]]:
    """Return which of these sessions are over, and why; note of the others that they were used."""
    asked = [
        {
            "number": number,
            "id": session.row_id,
            "started": session.started_at.isoformat(),
            "has_ended": has_ended,
            "through": [link.workload_id for link in through],
        }
        for number, (session, through, has_ended) in enumerate(sessions)
    ]
    pool = await database.pool()
    async with pool.connection() as mine:
        cursor = await mine.execute(_STATEMENT, [json.dumps(asked)], prepare=True)
        return [(number, code) for number, code in await cursor.fetchall()]


async def close() -> None:
    """Watch nothing more in the running event loop: nothing is served in it any more."""
    watch = _watches.pop(asyncio.get_running_loop(), None)
    if watch is not None:
        await watch.close()


_watches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch]
_watches = weakref.WeakKeyDictionary()


def _of_this_loop() -> _Watch:
    loop = asyncio.get_running_loop()
    found = _watches.get(loop)
    if found is None:
        found = _watches[loop] = _Watch()
    return found
