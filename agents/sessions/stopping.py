"""Stopping sessions: by their owner, an operator, or an admin."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.models import RuntimeSession
from agents.sessions.errors import RuntimeSessionUnknown
from core import audit
from core.audit import Actor
from core.subject import Subject


def session_of(*, agent_id: str, session_id: str, owner: Subject | None) -> RuntimeSession:
    """Return the session that an agent has, or had last, under an id; of `owner`, if given.

    Raises:
        RuntimeSessionUnknown: there is none, or it is another's.
    """
    rows = RuntimeSession.objects.filter(agent_id=agent_id, session_id=session_id)
    found = (rows if owner is None else rows.of(owner)).first()
    if found is None:
        raise RuntimeSessionUnknown(detail=f"session {session_id}")
    return found


def session_stop(*, session: RuntimeSession, actor: Actor, client: str = "") -> bool:
    """End a session, on record; say whether it was going on. Calls in it are cut within a second.

    Its id stays its owner's, who may begin another one under it. `client` is that of the request.
    """
    now = timezone.now()
    by = actor.name or (actor.subject.sub if actor.subject else "")
    with transaction.atomic():
        # The very session that was meant: another one may have begun under the id since.
        meant = RuntimeSession.objects.live(at=now).filter(
            pk=session.pk, started_at=session.started_at
        )
        if not meant.update(ended_at=now, ended_by=by[:255] or "unnamed"):
            return False
        detail: dict[str, Any] = {"session": session.session_id}
        if actor.subject is not None:
            detail["by"] = {"iss": actor.subject.iss, "sub": actor.subject.sub}
        audit.record(
            audit.Event(
                "agent.session.stopped",
                subject=session.owner,
                actor=actor.name,
                agent=session.agent_id,
                client=client,
                detail=detail,
            )
        )
    return True
