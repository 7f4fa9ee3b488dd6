"""Stopping ends the session that was meant, on record, or does nothing at all."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models import RuntimeSession
from agents.sessions import stopping
from agents.sessions.claim import Session
from agents.sessions.errors import RuntimeSessionUnknown
from core import audit
from core.audit import Actor, AuditUnavailable
from core.models import AuditEvent
from core.subject import Subject
from tests.agents.sessions.conftest import AGENT, ALICE, BOB, CHOSEN, claim, let_pass, row
from tests.fixtures.loops import Run

pytestmark = pytest.mark.usefixtures("db")

ADMIN = Actor("an admin", Subject("https://idp.example", "root"))


def stops() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="agent.session.stopped"))


def test_it_ends_and_says_by_whom(run: Run[Session]) -> None:
    run(claim(ALICE))

    assert stopping.session_stop(session=row(), actor=ADMIN)

    assert row().ended_at is not None
    assert row().ended_by == "an admin"
    (event,) = stops()
    assert (event.agent, event.actor) == (AGENT, "an admin")
    assert Subject(event.subject_iss, event.subject_sub) == ALICE
    assert event.detail == {"session": CHOSEN, "by": {"iss": "https://idp.example", "sub": "root"}}


@pytest.mark.parametrize("how", ["stopped", "expired"])
def test_what_is_over_is_not_ended_again(run: Run[Session], how: str) -> None:
    run(claim(ALICE, idle_s=60))
    if how == "stopped":
        stopping.session_stop(session=row(), actor=Actor("somebody before"))
    else:
        let_pass(61)
    before, recorded = RuntimeSession.objects.values().get(), len(stops())

    assert not stopping.session_stop(session=row(), actor=ADMIN)

    assert RuntimeSession.objects.values().get() == before
    assert len(stops()) == recorded


def test_a_session_that_began_since_is_not_the_one_that_was_meant(run: Run[Session]) -> None:
    run(claim(ALICE, idle_s=60))
    meant = row()
    let_pass(61)
    run(claim(ALICE))

    assert not stopping.session_stop(session=meant, actor=ADMIN)

    assert row().ended_at is None
    assert stops() == []


def test_without_a_record_nothing_is_stopped(
    run: Run[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Any) -> None:
        raise AuditUnavailable

    run(claim(ALICE))
    monkeypatch.setattr(audit, "record", away)

    with pytest.raises(AuditUnavailable):
        stopping.session_stop(session=row(), actor=ADMIN)

    assert row().ended_at is None


def test_it_is_found_for_its_owner_and_for_nobody_else(run: Run[Session]) -> None:
    run(claim(ALICE))

    found = [
        stopping.session_of(agent_id=AGENT, session_id=CHOSEN, owner=owner)
        for owner in (ALICE, None)
    ]

    assert found == [row(), row()]
    with pytest.raises(RuntimeSessionUnknown):
        stopping.session_of(agent_id=AGENT, session_id=CHOSEN, owner=BOB)
    with pytest.raises(RuntimeSessionUnknown):
        stopping.session_of(agent_id="other-0000000000", session_id=CHOSEN, owner=ALICE)
