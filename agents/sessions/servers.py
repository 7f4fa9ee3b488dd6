"""Sessions that an agent's own server begins, under ids that it gives out itself.

Such an id is whose the server's answer gave it to, put down before that answer goes on, and stays
theirs for as long as the agent is registered. What no answer gave to this very caller is refused
before the server sees it: an id that leaked, and any other spelling of it that the server might
take for the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from agents.sessions import ids
from agents.sessions.errors import ServerSessionForeign
from core import database
from core.recent import RegistryUnavailable
from core.subject import Subject

_MAX_KNOWN = 10_000
_GIVE = """
    INSERT INTO agents_runtimesession AS held (
        agent_id, session_id, owner_iss, owner_sub, is_allocated, endpoint, idle_s, lifetime_s,
        started_at, last_used_at, expires_at, ended_by
    )
    VALUES (
        %(agent)s, %(session)s, %(iss)s, %(sub)s, false, %(endpoint)s, %(idle_s)s, %(lifetime_s)s,
        now(), now(), now() + least(%(idle_s)s, %(lifetime_s)s) * interval '1 second', ''
    )
    ON CONFLICT (agent_id, session_id) DO UPDATE SET session_id = held.session_id
        WHERE held.owner_iss = excluded.owner_iss AND held.owner_sub = excluded.owner_sub
    RETURNING id
"""
_FIND = """
    SELECT id FROM agents_runtimesession
    WHERE agent_id = %(agent)s AND session_id = %(session)s
        AND owner_iss = %(iss)s AND owner_sub = %(sub)s
"""
# Whose an id is never changes, so what was found once is so; what was not found may be given later.
_known: set[tuple[str, str, Subject]] = set()


@dataclass(frozen=True, slots=True)
class Server:
    """An agent's server as one caller meets it, and the id of its own that their call named."""

    agent_id: str
    url: str
    owner: Subject
    endpoint: str
    idle_s: int
    lifetime_s: int
    named: str | None

    @property
    def session_id(self) -> str | None:
        """Return the runtime session that the named one is here; None: none was named."""
        return ids.of_server(url=self.url, given=self.named) if self.named else None

    async def refuse_foreign(self) -> None:
        """Raise ServerSessionForeign unless an answer gave the named id, if any, to this caller.

        Raises:
            RegistryUnavailable: the database does not answer.
        """
        session_id = self.session_id
        if session_id is not None and not await self._is_ours(session_id, _FIND):
            raise ServerSessionForeign(detail=f"session {session_id}")

    async def gives(self, given: str | None) -> bool:
        """Take an id that an answer gives to the caller; say whether it may have it.

        Not one that is somebody else's already. None, and the one that the call named, are no news.

        Raises:
            RegistryUnavailable: the database does not answer.
        """
        if not given or given == self.named:
            return True
        return await self._is_ours(ids.of_server(url=self.url, given=given), _GIVE)

    async def _is_ours(self, session_id: str, statement: str) -> bool:
        key = self.agent_id, session_id, self.owner
        if key in _known:
            return True
        asked = {
            "agent": self.agent_id,
            "session": session_id,
            "iss": self.owner.iss,
            "sub": self.owner.sub,
            "endpoint": self.endpoint,
            "idle_s": self.idle_s,
            "lifetime_s": self.lifetime_s,
        }
        try:
            pool = await database.pool()
            async with pool.connection() as mine:
                found = await (await mine.execute(statement, asked, prepare=True)).fetchone()
        except psycopg.Error as exc:  # PoolTimeout is one of them
            raise RegistryUnavailable(detail=type(exc).__name__) from None
        if found is None:
            return False
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        _known.add(key)
        return True
