"""Calls under way, cut when their session ends: in whichever process it is stopped.

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
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import psycopg

from agents.sessions.claim import Session
from agents.sessions.errors import SessionExpired, SessionOver, SessionStopped
from core import database

log = logging.getLogger(__name__)

_EVERY_S = 0.5
# How often a use that goes on is noted: at least four times before it would be taken for idle.
_NOTED_EVERY_S = 60
# A note waits for nobody: whoever holds the row is noting a use himself, or ending the session.
_STATEMENT = f"""
    WITH open AS (
        SELECT * FROM jsonb_to_recordset(%s::jsonb) AS open (
            number int, id bigint, started timestamptz, has_ended boolean
        )
    ),
    found AS (
        SELECT open.number, open.has_ended, held.id,
            CASE
                WHEN held.id IS NULL OR held.started_at <> open.started
                    OR held.ended_at IS NOT NULL THEN '{SessionStopped.code}'
                WHEN held.started_at + held.lifetime_s * interval '1 second' <= now()
                    THEN '{SessionExpired.code}'
            END AS over
        FROM open LEFT JOIN agents_runtimesession AS held ON held.id = open.id
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
        SET last_used_at = now(), expires_at = least(
            now() + held.idle_s * interval '1 second',
            held.started_at + held.lifetime_s * interval '1 second'
        )
        FROM due WHERE held.id = due.id
    )
    SELECT number, over FROM found WHERE over IS NOT NULL AND NOT has_ended
"""  # noqa: S608  (put together of what this code says, and of nothing else)
_KINDS: dict[str, type[SessionOver]] = {
    kind.code: kind for kind in (SessionStopped, SessionExpired)
}


class Use:
    """One call, or one connection, in a session; `over` says why it was cut, once it is."""

    __slots__ = ("_cut", "began", "over", "session")

    def __init__(self, session: Session, cut: asyncio.Timeout) -> None:
        self.session = session
        self.began = time.monotonic()
        self.over: SessionOver | None = None
        self._cut = cut

    def end(self, over: SessionOver) -> None:
        """Cut it: whatever its task waits for is cancelled."""
        if self.over is None:
            self.over = over
            self._cut.reschedule(asyncio.get_running_loop().time())


@asynccontextmanager
async def in_use(session: Session) -> AsyncIterator[Use]:
    """Yield the use of a session by the task that runs the block, which ends when it does.

    Raises:
        SessionOver: in place of the cancellation, where the session ended first.
    """
    use: Use | None = None
    try:
        async with asyncio.timeout(None) as cut:
            use = Use(session, cut)
            watching = _of_this_loop()
            watching.add(use)
            try:
                yield use
            finally:
                watching.remove(use)
    except TimeoutError:
        if use is None or use.over is None or not cut.expired():
            raise
        raise use.over from None


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
        sessions = [*((use.session, False) for use in uses), *((one, True) for one in ended)]
        for number, code in await _over(sessions):
            uses[number].end(_KINDS[code]())


async def _over(sessions: Iterable[tuple[Session, bool]]) -> list[tuple[int, str]]:
    """Return which of these sessions are over, and why; note of the others that they were used."""
    asked = [
        {
            "number": number,
            "id": session.row_id,
            "started": session.started_at.isoformat(),
            "has_ended": has_ended,
        }
        for number, (session, has_ended) in enumerate(sessions)
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
