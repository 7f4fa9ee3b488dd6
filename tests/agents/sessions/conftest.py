"""Sessions as the event loop's own connections see them: whatever is committed, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from agents.models import RuntimeSession
from agents.sessions.claim import Asked, Session, claimed
from core.audit import Event
from core.models import AuditEvent
from core.subject import Subject
from tests.agents.committed import empty_tables

ALICE, BOB = (Subject("https://idp.example", name) for name in ("alice", "bob"))
AGENT = "concierge-0000000000"
CHOSEN = "chosen-by-a-client-" + "x" * 20


@pytest.fixture
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database without a transaction around the test, in place of pytest-django's."""
    with django_db_blocker.unblock():
        yield
        empty_tables()


def asked(owner: Subject = ALICE, session_id: str = CHOSEN, **changed: Any) -> Asked:
    """Return what a call of `owner` asks for."""
    plain = {"agent_id": AGENT, "endpoint": "DEFAULT", "idle_s": 900, "lifetime_s": 28_800}
    return Asked(session_id=session_id, owner=owner, **{**plain, **changed})


async def claim(
    owner: Subject = ALICE, session_id: str = CHOSEN, client: str = "", **changed: Any
) -> Session:
    """Claim a session as the gateway does, for a call of `owner`."""
    event = Event("agent.invocation", subject=owner, agent=AGENT, client=client)
    return await claimed(event, asked(owner, session_id, **changed))


def row(session_id: str = CHOSEN) -> RuntimeSession:
    """Return the one row of a session id."""
    return RuntimeSession.objects.get(session_id=session_id)


def let_pass(seconds: float) -> None:
    """Make every session as old as if so much time had passed since."""
    passed = timedelta(seconds=seconds)
    RuntimeSession.objects.update(
        started_at=F("started_at") - passed,
        last_used_at=F("last_used_at") - passed,
        expires_at=F("expires_at") - passed,
    )


def let_in() -> list[str]:
    """Return whose calls are on record, in the order of the record."""
    events = AuditEvent.objects.filter(action="agent.invocation").order_by("pk")
    return list(events.values_list("subject_sub", flat=True))
