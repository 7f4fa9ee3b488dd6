"""Questions that are asked at the same time, put in one go.

A round trip to the database and its commit are shared by those who ask. Nobody waits for company:
what comes while as many rounds are under way as may be goes with the next.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

MAX_AT_ONCE = 32
_ROUNDS = 2  # so that one is prepared here while another is under way there


@dataclass(slots=True)
class _Queue(Generic[Q, A]):
    """What waits in one event loop, and the rounds that are under way there."""

    waiting: list[tuple[Q, asyncio.Future[A]]] = field(default_factory=list)
    rounds: set[asyncio.Task[None]] = field(default_factory=set)


class Together(Generic[Q, A]):
    """Puts questions to `ask`, which answers all that it is given, in order, or fails for all.

    Where it fails by `apart`, which says that one of the questions cannot be put at all, each is
    put alone: nobody is refused for what somebody else asked.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        *,
        apart: type[Exception],
    ) -> None:
        self._ask = ask
        self._apart = apart
        self._queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue[Q, A]]
        self._queues = weakref.WeakKeyDictionary()

    async def get(self, question: Q) -> A:
        """Return the answer. Raises what `ask` raises."""
        loop = asyncio.get_running_loop()
        queue = self._queues.setdefault(loop, _Queue())
        answer: asyncio.Future[A] = loop.create_future()
        queue.waiting.append((question, answer))
        if len(queue.rounds) < _ROUNDS:
            this = asyncio.create_task(self._go(queue))
            queue.rounds.add(this)
            this.add_done_callback(queue.rounds.discard)
        return await answer

    async def _go(self, queue: _Queue[Q, A]) -> None:
        """Ask round after round for as long as anybody waits."""
        while queue.waiting:
            taken, queue.waiting = queue.waiting[:MAX_AT_ONCE], queue.waiting[MAX_AT_ONCE:]
            await self._round(taken)

    async def _round(self, taken: list[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._ask([question for question, _ in taken])
        except self._apart as exc:
            if len(taken) == 1:
                _fail(taken, exc)
            else:
                for one in taken:
                    await self._round([one])
        except BaseException as exc:  # handed on: nobody may wait for ever
            _fail(taken, exc)
            if not isinstance(exc, Exception):
                raise
        else:
            for (_, waiting), answer in zip(taken, answers, strict=True):
                if not waiting.done():  # whoever asked may have gone away
                    waiting.set_result(answer)


def _fail(taken: list[tuple[Q, asyncio.Future[A]]], exc: BaseException) -> None:
    for _, waiting in taken:
        if not waiting.done():
            waiting.set_exception(exc)
