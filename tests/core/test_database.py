from __future__ import annotations

import asyncio
import threading
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from core import database, reference
from core.models import DataKey
from tests.fixtures.loops import Run


@pytest.mark.django_db(transaction=True)
def test_many_who_open_the_pool_at_once_share_one(run: Run[Any]) -> None:
    async def first() -> int:
        pool = await database.pool()
        async with pool.connection() as own:
            cursor = await own.execute("SELECT 1")
            row = await cursor.fetchone()
        assert row == (1,)
        return id(pool)

    async def many() -> set[int]:
        return set(await asyncio.gather(*(first() for _ in range(12))))

    assert len(run(many())) == 1


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_a_statement_that_gets_nowhere(
    run: Run[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database._PATIENCE, "options", "-c statement_timeout=50")

    async def stuck() -> None:
        async with (await database.pool()).connection() as own:
            await own.execute("SELECT pg_sleep(60)")

    with pytest.raises(psycopg.errors.QueryCanceled):
        run(stuck())


@pytest.mark.django_db(transaction=True)
def test_closing_what_was_never_opened_does_nothing(run: Run[Any]) -> None:
    run(database.close())


@pytest.mark.django_db(transaction=True)
def test_work_on_a_thread_keeps_the_requests_reference(run: Run[Any]) -> None:
    async def work() -> tuple[str, str]:
        begun = reference.begin()
        return begun.id, await database.on_thread(lambda _: reference.current().id, None)

    begun, seen = run(work())

    assert begun == seen


@pytest.mark.django_db(transaction=True)
def test_work_on_a_thread_passes_its_errors_on(run: Run[Any]) -> None:
    def broken(_: None) -> None:
        raise LookupError("told")

    with pytest.raises(LookupError, match="told"):
        run(database.on_thread(broken, None))


@pytest.mark.django_db(transaction=True)
def test_what_is_done_apart_stays_when_the_caller_rolls_back() -> None:
    def retired() -> DataKey:  # of which there may be many, whoever else made one
        return DataKey.objects.create(kek_id="of this test", sealed=b"", retired_at=timezone.now())

    with transaction.atomic():
        made = database.apart(retired)
        retired()
        transaction.set_rollback(True)

    assert [key.pk for key in DataKey.objects.filter(kek_id="of this test")] == [made.pk]
    assert connection.connection is not None  # the caller's own was not closed


@pytest.mark.django_db(transaction=True)
def test_what_needs_the_orm_moves_to_a_thread_and_the_rest_stays(run: Run[Any]) -> None:
    def where(ask: bool) -> int:
        if ask:
            DataKey.objects.count()
        return threading.get_ident()

    async def work() -> tuple[int, int, int]:
        here = threading.get_ident()
        return (
            here,
            await database.here_or_on_thread(where, False),
            await database.here_or_on_thread(where, True),
        )

    here, quick, asking = run(work())

    assert quick == here != asking
