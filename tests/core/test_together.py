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

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.together: Together[int, int] = Together(self.ask, apart=Unaskable)

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


def test_nobody_waits_for_company() -> None:
    oracle = Oracle()

    async def one_after_the_other() -> list[int]:
        return [await oracle.together.get(1), await oracle.together.get(2)]

    assert asyncio.run(one_after_the_other()) == [2, 4]
    assert oracle.rounds == [[1], [2]]


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
            await Together(called_off, apart=Unaskable).get(1)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(ask())
