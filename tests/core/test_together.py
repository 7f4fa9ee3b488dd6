from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain

import pytest

from core.together import MAX_AT_ONCE, Together


class Unaskable(Exception):
    """One of the questions cannot be put."""


class Gone(Exception):
    """Nobody answers."""


class Oracle:
    """Doubles numbers, and remembers how it was asked."""

    def __init__(self, gather_s: float = 0.006) -> None:
        self.rounds: list[list[int]] = []
        self.together: Together[int, int] = Together(
            self.ask, apart=(Unaskable,), gather_s=gather_s
        )

    async def ask(self, numbers: Sequence[int]) -> list[int]:
        self.rounds.append(list(numbers))
        await asyncio.sleep(0)
        if -1 in numbers:
            raise Unaskable
        if -2 in numbers:
            raise Gone
        return [2 * number for number in numbers]

    async def all(self, *numbers: int) -> list[int | BaseException]:
        asked = (self.together.get(number) for number in numbers)
        return await asyncio.gather(*asked, return_exceptions=True)


def test_each_gets_the_answer_to_their_own_question() -> None:
    oracle = Oracle()

    answers = asyncio.run(oracle.all(*range(100)))

    assert answers == [2 * number for number in range(100)]
    assert sorted(chain(*oracle.rounds)) == list(range(100))
    assert len(oracle.rounds) < 10
    assert max(map(len, oracle.rounds)) <= MAX_AT_ONCE


def test_who_asks_alone_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = Oracle(gather_s=3600)

    async def one_after_the_other() -> list[int]:
        return [await oracle.together.get(number) for number in (1, 2, 3)]

    assert asyncio.run(one_after_the_other()) == [2, 4, 6]
    assert oracle.rounds == [[1], [2], [3]]


def test_those_who_ask_again_and_again_are_soon_asked_for_in_one_round() -> None:
    oracle = Oracle(gather_s=3600)

    async def again(number: int) -> None:
        for _ in range(5):
            await oracle.together.get(number)

    async def one_and_then_two_more() -> None:
        first = asyncio.create_task(again(1))
        while not oracle.rounds:
            await asyncio.sleep(0)
        others = [asyncio.create_task(again(number)) for number in (2, 3)]
        async with asyncio.timeout(5):
            await first
        for other in others:
            other.cancel()

    asyncio.run(one_and_then_two_more())

    alone, *rounds = [sorted(numbers) for numbers in oracle.rounds]
    assert alone == [1]
    assert rounds == [[1, 2, 3]] * 4


def test_a_round_leaves_without_those_who_do_not_come_back() -> None:
    oracle = Oracle()

    async def two_and_then_one() -> list[int | BaseException]:
        await oracle.all(1, 2)
        async with asyncio.timeout(5):
            return await oracle.all(3)

    assert asyncio.run(two_and_then_one()) == [6]
    assert oracle.rounds == [[1, 2], [3]]


def test_a_question_that_cannot_be_put_is_nobody_elses_trouble() -> None:
    answers = asyncio.run(Oracle().all(1, -1, 3))

    assert (answers[0], answers[2]) == (2, 6)
    assert isinstance(answers[1], Unaskable)


def test_where_nobody_answers_everybody_is_told() -> None:
    answers = asyncio.run(Oracle().all(1, -2, 3))

    assert [type(answer) for answer in answers] == [Gone, Gone, Gone]


def test_whoever_goes_away_takes_nobodys_answer_along() -> None:
    oracle = Oracle()

    async def one_leaves() -> int:
        leaving = asyncio.create_task(oracle.together.get(1))
        staying = asyncio.create_task(oracle.together.get(2))
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert asyncio.run(one_leaves()) == 4


def test_a_round_that_is_called_off_leaves_nobody_waiting() -> None:
    async def called_off(_: Sequence[int]) -> list[int]:
        raise asyncio.CancelledError

    async def ask() -> None:
        async with asyncio.timeout(5):
            await Together(called_off, apart=(Unaskable,)).get(1)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(ask())
