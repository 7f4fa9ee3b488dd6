from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.db import OperationalError

from core import recent
from core.recent import Recent, RegistryUnavailable, by_orm


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    ticking = Clock()
    monkeypatch.setattr(recent, "time", ticking)
    return ticking


def counting() -> tuple[list[str], Recent[str, int]]:
    asked: list[str] = []

    def load(key: str) -> int:
        asked.append(key)
        return len(asked)

    return asked, by_orm(load)


def test_an_answer_is_kept_for_half_a_second(clock: Any) -> None:
    asked, kept = counting()

    async def work() -> list[int]:
        answers = [await kept.get("a"), await kept.get("a")]
        clock.now += 0.499
        answers.append(await kept.get("a"))
        clock.now += 0.002
        return [*answers, await kept.get("a")]

    assert asyncio.run(work()) == [1, 1, 1, 2]
    assert asked == ["a", "a"]


def test_each_key_has_an_answer_of_its_own_and_all_can_be_dropped(clock: Any) -> None:
    asked, kept = counting()

    async def work() -> None:
        await kept.get("a")
        await kept.get("b")
        kept.forget()
        await kept.get("a")

    asyncio.run(work())

    assert asked == ["a", "b", "a"]


def test_strangers_who_invent_keys_do_not_fill_the_memory(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "_MAX_ENTRIES", 3)
    _, kept = counting()

    async def work() -> None:
        for number in range(10):
            await kept.get(f"invented-{number}")

    asyncio.run(work())

    assert len(kept._kept) <= 3


def test_while_the_database_is_away_an_old_answer_is_not_used(clock: Any) -> None:
    there = True

    def load(key: str) -> str:
        if not there:
            raise OperationalError("gone, with the password in the text")
        return key

    kept = by_orm(load)

    async def before_and_after() -> None:
        nonlocal there
        await kept.get("a")
        there = False
        clock.now += 0.5
        await kept.get("a")

    with pytest.raises(RegistryUnavailable) as caught:
        asyncio.run(before_and_after())

    assert (caught.value.status, caught.value.detail) == (503, "OperationalError")


def test_those_who_ask_at_once_share_one_question(clock: Any) -> None:
    asked, kept = counting()

    async def work() -> list[int]:
        return await asyncio.gather(*(kept.get("a") for _ in range(20)))

    assert asyncio.run(work()) == [1] * 20
    assert asked == ["a"]


def test_nobody_is_given_the_answer_of_a_question_that_took_too_long(clock: Any) -> None:
    asked: list[str] = []

    def load(key: str) -> int:
        asked.append(key)
        clock.now += 0.5
        return len(asked)

    kept = by_orm(load)

    async def work() -> list[int]:
        return list(await asyncio.gather(kept.get("a"), kept.get("a")))

    assert sorted(asyncio.run(work())) == [1, 2]


def test_a_question_under_way_when_all_is_dropped_is_asked_again(clock: Any) -> None:
    let = threading.Event()

    def load(key: str) -> int:
        asked.append(key)
        assert let.wait(10)
        return len(asked)

    asked: list[str] = []
    kept = by_orm(load)

    async def work() -> list[int]:
        first = asyncio.create_task(kept.get("a"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        kept.forget()
        let.set()
        await first
        return [await kept.get("a"), await kept.get("a")]

    assert asyncio.run(work()) == [2, 2]


def test_who_asks_and_goes_away_takes_nobodys_answer_along(clock: Any) -> None:
    asked, kept = counting()

    async def work() -> int:
        first = asyncio.create_task(kept.get("a"))
        second = asyncio.create_task(kept.get("a"))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(work()) == 1
    assert asked == ["a"]
