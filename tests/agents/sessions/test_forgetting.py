"""Sessions of long ago are forgotten where nothing is lost by it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from agents.models import RuntimeSession
from agents.sessions import forgetting, ids
from agents.sessions.claim import Session
from agents.sessions.errors import SessionForeign
from portal import tasks
from tests.agents.sessions.conftest import AGENT, ALICE, BOB, CHOSEN, claim, let_pass, row
from tests.fixtures.loops import Run

pytestmark = pytest.mark.usefixtures("db")

DAY_S = 24 * 3600


def forget() -> int:
    return forgetting.forget_old(at=timezone.now(), for_s=10)


def given(run: Run[Session]) -> str:
    """Begin a session under an id of this site's."""
    session_id = ids.allocate(agent_id=AGENT, owner=ALICE)
    run(claim(ALICE, session_id))
    return session_id


def test_one_whose_id_says_whose_it_was_is_forgotten_and_stays_theirs(run: Run[Session]) -> None:
    session_id = given(run)
    let_pass(DAY_S + 900)

    tasks.forget_old_sessions()

    assert not RuntimeSession.objects.exists()
    with pytest.raises(SessionForeign):
        run(claim(BOB, session_id))
    run(claim(ALICE, session_id))


def test_one_whose_id_a_client_chose_is_kept_and_stays_its_owners(run: Run[Session]) -> None:
    run(claim(ALICE, CHOSEN))
    let_pass(1000 * DAY_S)

    assert forget() == 0

    with pytest.raises(SessionForeign):
        run(claim(BOB, CHOSEN))
    assert row().owner == ALICE


def test_one_that_its_owner_uses_at_this_moment_is_kept(
    run: Run[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = given(run)
    let_pass(DAY_S + 900)
    due = RuntimeSession.objects.forgettable

    def used_meanwhile(*, before: datetime) -> Any:
        found = [session.pk for session in due(before=before)]
        run(claim(ALICE, session_id))
        return RuntimeSession.objects.filter(pk__in=found)

    monkeypatch.setattr(RuntimeSession.objects, "forgettable", used_meanwhile)

    assert forget() == 0
    assert RuntimeSession.objects.get().session_id == session_id


@pytest.mark.parametrize("passed_s", [0, DAY_S + 800])
def test_what_goes_on_or_ended_just_now_is_kept(run: Run[Session], passed_s: float) -> None:
    given(run)
    let_pass(passed_s)

    assert forget() == 0


def test_a_long_one_is_kept_while_it_is_used(run: Run[Session]) -> None:
    session_id = ids.allocate(agent_id=AGENT, owner=ALICE)
    run(claim(ALICE, session_id, idle_s=10 * DAY_S, lifetime_s=10 * DAY_S))
    let_pass(2 * DAY_S)

    assert forget() == 0


def test_batches_follow_one_another(run: Run[Session], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_BATCH", 2)
    for _ in range(5):
        given(run)
    let_pass(2 * DAY_S)

    assert forget() == 5
