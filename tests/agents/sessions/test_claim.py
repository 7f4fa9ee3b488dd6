"""A session is one owner's; the call that claims it is on record, or nothing happened."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from agents.models import RuntimeSession
from agents.sessions import ids, owners
from agents.sessions.claim import Session
from agents.sessions.errors import SessionForeign
from core import database
from core.audit import AuditUnavailable, Event
from core.models import AuditEvent
from core.subject import Subject
from tests.agents.sessions.conftest import (
    AGENT,
    ALICE,
    BOB,
    CHOSEN,
    claim,
    let_in,
    let_pass,
    row,
)
from tests.fixtures.loops import Run

pytestmark = pytest.mark.usefixtures("db")


def test_the_first_call_begins_a_session_of_its_caller(run: Run[Session]) -> None:
    session = run(claim(idle_s=60, lifetime_s=120, endpoint="v1"))

    found = row()
    assert (found.pk, found.started_at) == (session.row_id, session.started_at)
    assert (found.agent_id, found.owner, found.endpoint) == (AGENT, ALICE, "v1")
    assert found.expires_at - found.started_at == timedelta(seconds=60)
    assert found.ended_at is None
    assert not found.is_allocated
    assert let_in() == ["alice"]


def test_the_next_call_goes_on_in_it(run: Run[Session]) -> None:
    first = run(claim(idle_s=60, lifetime_s=3600))
    let_pass(50)
    before = row()

    second = run(claim(idle_s=60, lifetime_s=3600))

    assert second.row_id == first.row_id
    assert second.started_at == row().started_at == before.started_at
    assert row().expires_at - row().last_used_at == timedelta(seconds=60)
    assert row().last_used_at - before.last_used_at >= timedelta(seconds=50)
    assert let_in() == ["alice", "alice"]


def test_use_does_not_carry_it_past_its_lifetime(run: Run[Session]) -> None:
    run(claim(idle_s=60, lifetime_s=100))
    let_pass(50)

    run(claim(idle_s=60, lifetime_s=100))

    assert row().expires_at - row().started_at == timedelta(seconds=100)


def test_another_persons_session_is_refused_and_nothing_happens(run: Run[Session]) -> None:
    run(claim(ALICE))
    before = RuntimeSession.objects.values().get()

    with pytest.raises(SessionForeign) as refused:
        run(claim(BOB))

    assert (refused.value.code, refused.value.status) == ("session_foreign", 403)
    assert "alice" not in str(refused.value.message)
    assert RuntimeSession.objects.values().get() == before
    assert let_in() == ["alice"]


@pytest.mark.parametrize(
    "other",
    [
        Subject("https://other.example", "alice"),
        Subject.opaque("alice"),
        Subject.of_workload("alice"),
        owners.OPERATORS,
    ],
)
def test_a_namesake_is_another_person(run: Run[Session], other: Subject) -> None:
    run(claim(ALICE))

    with pytest.raises(SessionForeign):
        run(claim(other))

    assert row().owner == ALICE


@pytest.mark.parametrize("how", ["idle", "lifetime", "stopped"])
def test_after_its_end_the_owner_begins_another_and_nobody_else_does(
    run: Run[Session], how: str
) -> None:
    first = run(claim(idle_s=60, lifetime_s=60 if how == "lifetime" else 3600))
    let_pass(5 if how == "stopped" else 61)
    if how == "stopped":
        RuntimeSession.objects.update(ended_at=row().last_used_at, ended_by="an admin")
    over = RuntimeSession.objects.values().get()

    with pytest.raises(SessionForeign):
        run(claim(BOB))
    assert RuntimeSession.objects.values().get() == over

    second = run(claim(ALICE, idle_s=60, lifetime_s=3600))
    assert second.row_id == first.row_id
    assert second.started_at > first.started_at
    assert (row().ended_at, row().ended_by) == (None, "")
    assert row().expires_at - row().started_at == timedelta(seconds=60)


def test_the_same_id_at_another_agent_is_another_session(run: Run[Session]) -> None:
    run(claim(ALICE))

    run(claim(BOB, agent_id="other-0000000000"))

    assert RuntimeSession.objects.filter(session_id=CHOSEN).count() == 2


def test_calls_that_come_together_share_a_session(run: Run[Any]) -> None:
    async def many() -> list[Session]:
        return await asyncio.gather(*(claim() for _ in range(20)))

    found = run(many())

    assert len(set(found)) == 1
    assert RuntimeSession.objects.count() == 1
    assert let_in() == ["alice"] * 20


@pytest.mark.parametrize("exists", [True, False])
def test_of_two_who_want_one_id_in_one_round_only_its_owner_gets_it(
    run: Run[Any], exists: bool
) -> None:
    async def both() -> list[Session | BaseException]:
        # The first leaves alone; the others gather behind it, and leave together.
        ahead = asyncio.create_task(claim(session_id="another-session-" + "y" * 20))
        await asyncio.sleep(0)
        wanting = (claim(owner) for owner in (BOB, ALICE, BOB, ALICE))
        found = await asyncio.gather(*wanting, return_exceptions=True)
        await ahead
        return found

    if exists:
        run(claim(ALICE))

    outcomes = run(both())

    winner = ALICE if exists else BOB
    won = [owner for owner, got in zip((BOB, ALICE) * 2, outcomes, strict=True)
           if isinstance(got, Session)]  # fmt: skip
    assert won == [winner, winner]
    assert sum(isinstance(got, SessionForeign) for got in outcomes) == 2
    assert row().owner == winner


@pytest.mark.parametrize("odd", ["null\x00", "half \ud83d of a pair", "long" * 100])
def test_an_odd_name_of_a_client_is_on_record_as_far_as_it_can_be(run: Run[Any], odd: str) -> None:
    run(claim(client=odd))

    (client,) = AuditEvent.objects.values_list("client", flat=True)
    assert client.startswith(odd[:4])
    assert let_in() == ["alice"]


def test_a_session_that_another_process_began_a_moment_later_is_used(run: Run[Any]) -> None:
    begun_later = (
        "UPDATE agents_runtimesession SET started_at = clock_timestamp(), "
        "last_used_at = clock_timestamp(), expires_at = clock_timestamp() + interval '1 hour'"
    )

    async def both() -> tuple[Session, Session]:
        await claim()
        pool = await database.pool()
        async with pool.connection() as other:
            async with other.transaction():
                await other.execute("SELECT FROM agents_runtimesession FOR UPDATE")
                waiting = asyncio.create_task(claim())
                bystander = asyncio.create_task(claim(BOB, "another-session-" + "y" * 20))
                async with asyncio.timeout(30):
                    while not await one_waits(other):
                        await asyncio.sleep(0)
                await other.execute(begun_later)
            return await waiting, await bystander

    assert all(isinstance(session, Session) for session in run(both()))
    assert sorted(let_in()) == ["alice", "alice", "bob"]


async def one_waits(connection: Any) -> bool:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
    found = await connection.execute(asked + "current_database()")
    return bool((await found.fetchone())[0])


def test_what_the_database_cannot_take_refuses_nobody_else(run: Run[Any]) -> None:
    async def both() -> tuple[Session | BaseException, ...]:
        ahead = asyncio.create_task(claim(session_id="another-session-" + "y" * 20))
        await asyncio.sleep(0)
        odd = claim(Subject("https://idp.example", "a\x00b"), "odd-session-" + "z" * 30)
        found = await asyncio.gather(odd, claim(), return_exceptions=True)
        await ahead
        return found

    odd, good = run(both())

    assert isinstance(odd, AuditUnavailable)
    assert isinstance(good, Session)
    assert not RuntimeSession.objects.filter(session_id__startswith="odd-").exists()


def test_without_the_database_nothing_is_let_through(
    run: Run[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> Any:
        raise psycopg.OperationalError("the server closed the connection")

    monkeypatch.setattr(database, "pool", away)

    with pytest.raises(AuditUnavailable):
        run(claim())

    assert not RuntimeSession.objects.exists()


def test_a_session_is_not_claimed_where_the_call_cannot_be_recorded(
    run: Run[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Event.as_json

    def without_action(event: Event) -> dict[str, Any]:
        return {**whole(event), "action": None}

    monkeypatch.setattr(Event, "as_json", without_action)

    with pytest.raises(AuditUnavailable):
        run(claim())

    assert not RuntimeSession.objects.exists()


def test_an_id_that_this_site_gave_out_is_its_owners_even_without_a_row(
    run: Run[Session],
) -> None:
    given = ids.allocate(agent_id=AGENT, owner=ALICE)
    run(claim(ALICE, given))
    assert row(given).is_allocated
    RuntimeSession.objects.all().delete()

    with pytest.raises(SessionForeign):
        run(claim(BOB, given))
    with pytest.raises(SessionForeign):
        run(claim(ALICE, given, agent_id="other-0000000000"))
    assert not RuntimeSession.objects.exists()

    run(claim(ALICE, given))
    assert row(given).owner == ALICE


def test_an_id_made_up_to_look_like_ours_begins_nothing(run: Run[Session]) -> None:
    with pytest.raises(SessionForeign):
        run(claim(ALICE, f"session-{'0' * 32}-{'0' * 32}"))

    assert not RuntimeSession.objects.exists()


def test_a_session_goes_on_after_the_sites_key_was_changed(
    run: Run[Session], settings: Any
) -> None:
    given = ids.allocate(agent_id=AGENT, owner=ALICE)
    run(claim(ALICE, given))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another-key-" + "k" * 50, []

    run(claim(ALICE, given))

    with pytest.raises(SessionForeign):
        run(claim(BOB, given))
    assert let_in() == ["alice", "alice"]


def test_allocated_ids_fit_the_wire_api_and_never_repeat() -> None:
    given = {ids.allocate(agent_id=AGENT, owner=ALICE) for _ in range(100)}

    assert len(given) == 100
    assert all(33 <= len(one) <= 256 for one in given)
