"""What is under way in a session ends with it, and keeps it in use until then."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db.models import F
from django.utils import timezone

from agents.models import RuntimeSession
from agents.sessions import watch
from agents.sessions.claim import Session
from agents.sessions.errors import SessionExpired, SessionOver, SessionStopped
from core import database
from tests.agents.sessions.conftest import claim, row
from tests.fixtures.loops import Run

pytestmark = pytest.mark.usefixtures("db")

PATIENCE_S = 20


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_EVERY_S", 0.02)


async def change(rows: Any = None, **columns: Any) -> None:
    """Change rows, or the only one, as another process would."""
    meant = RuntimeSession.objects.all() if rows is None else rows
    await database.on_thread(lambda _: meant.update(**columns), None)


async def last_used() -> datetime:
    """Return when the only session was used last."""
    found = await database.on_thread(lambda _: row(), None)
    return found.last_used_at


async def until_cut(session: Session) -> SessionOver:
    """Use a session until it is over, and return why it is."""
    try:
        async with asyncio.timeout(PATIENCE_S), watch.Use(session):
            await asyncio.Event().wait()
    except SessionOver as over:
        return over
    raise AssertionError("it was not cut")


def stopped_now() -> dict[str, Any]:
    return {"ended_at": timezone.now(), "ended_by": "an admin"}


def test_every_use_of_a_session_that_is_stopped_is_cut(run: Run[Any]) -> None:
    async def story() -> list[SessionOver]:
        session = await claim()
        uses = [asyncio.create_task(until_cut(session)) for _ in range(3)]
        await asyncio.sleep(0)
        await change(**stopped_now())
        return await asyncio.gather(*uses)

    assert [type(over) for over in run(story())] == [SessionStopped] * 3


def test_its_lifetime_ends_it_and_being_idle_does_not(run: Run[Any]) -> None:
    async def story() -> SessionOver:
        session = await claim(idle_s=1, lifetime_s=2)
        return await until_cut(session)

    over = run(story())

    assert isinstance(over, SessionExpired)
    assert row().last_used_at > row().started_at


def test_a_session_that_is_gone_or_another_by_now_is_over(run: Run[Any]) -> None:
    async def story() -> list[SessionOver]:
        gone, another = await claim(), await claim(session_id="another-one-" + "y" * 30)
        cut = [asyncio.create_task(until_cut(session)) for session in (gone, another)]
        await asyncio.sleep(0)
        rows = RuntimeSession.objects
        await database.on_thread(lambda _: rows.filter(pk=gone.row_id).delete(), None)
        earlier = F("started_at") - timedelta(seconds=1)
        await change(rows.filter(pk=another.row_id), started_at=earlier)
        return await asyncio.gather(*cut)

    assert [type(over) for over in run(story())] == [SessionStopped] * 2


def test_other_sessions_go_on(run: Run[Any]) -> None:
    async def story() -> bool:
        session, other = await claim(), await claim(session_id="another-one-" + "y" * 30)
        async with asyncio.timeout(PATIENCE_S), watch.Use(other) as use:
            cut = asyncio.create_task(until_cut(session))
            await asyncio.sleep(0)
            rows = RuntimeSession.objects.filter(pk=session.row_id)
            await change(rows, **stopped_now())
            await cut
            return use.over is None

    assert run(story())


def test_a_cancellation_from_elsewhere_stays_one(run: Run[Any]) -> None:
    async def story() -> bool:
        using = asyncio.create_task(until_cut(await claim()))
        await asyncio.sleep(0)
        using.cancel()
        with suppress(asyncio.CancelledError):
            await using
        return using.cancelled()

    assert run(story())


def test_a_time_limit_of_ones_own_stays_one(run: Run[Any]) -> None:
    async def story() -> None:
        async with watch.Use(await claim()):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        run(story())


def test_the_end_of_a_long_use_is_noted(run: Run[Any]) -> None:
    async def story() -> Any:
        session = await claim()
        began = await last_used()
        async with watch.Use(session):
            await asyncio.wait({asyncio.create_task(asyncio.Event().wait())}, timeout=0.1)
        async with asyncio.timeout(PATIENCE_S):
            while await last_used() == began:
                await asyncio.sleep(0)
        return await last_used() - began

    assert run(story()) >= timedelta(seconds=0.1)


def test_nothing_runs_while_nothing_is_open(run: Run[Any]) -> None:
    async def story() -> set[str]:
        async with watch.Use(await claim()):
            watching = next(t for t in asyncio.all_tasks() if t.get_name() == "sessions-watch")
        await asyncio.wait_for(watching, PATIENCE_S)
        return {task.get_name() for task in asyncio.all_tasks()}

    assert "sessions-watch" not in run(story())


def test_it_ends_with_the_process(run: Run[Any]) -> None:
    async def story() -> set[str]:
        async with watch.Use(await claim()):
            await watch.close()
            return {task.get_name() for task in asyncio.all_tasks()}

    assert "sessions-watch" not in run(story())


def test_while_the_database_is_away_uses_go_on_and_are_watched_again(
    run: Run[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    whole = watch._over

    async def away_at_first(sessions: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise psycopg.OperationalError("the server closed the connection")
        return await whole(sessions)

    async def story() -> SessionOver:
        session = await claim()
        await change(**stopped_now())
        return await until_cut(session)

    monkeypatch.setattr(watch, "_over", away_at_first)

    assert isinstance(run(story()), SessionStopped)
    assert asked == 3
