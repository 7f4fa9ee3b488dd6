"""Questions that are asked at the same time, put together in one round.

Who asks alone is asked for at once. While a round is under way, others gather for the next one; and
where there was company, that one may wait a moment for those who were just answered, who often ask
again. So a busy process asks in few large rounds, each of which costs little more than a small one.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

MAX_AT_ONCE = 64


@dataclass(slots=True)
class _Queue(Generic[Q, A]):
    """What waits in one event loop, and the task that asks there while anybody does."""

    waiting: list[tuple[Q, asyncio.Future[A]]] = field(default_factory=list)
    asking: asyncio.Task[None] | None = None
    expected: int = 0
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, question: Q, answer: asyncio.Future[A]) -> None:
        """Let a question wait for the next round."""
        self.waiting.append((question, answer))
        if len(self.waiting) >= self.expected:
            self.complete.set()

    def take(self) -> list[tuple[Q, asyncio.Future[A]]]:
        """Return the next round."""
        taken, self.waiting = self.waiting[:MAX_AT_ONCE], self.waiting[MAX_AT_ONCE:]
        return taken

    async def gather(self, answered: int, *, at_most_s: float) -> None:
        """Return once as many wait as were here a moment ago, `at_most_s` later at the latest."""
        self.expected = min(answered + len(self.waiting), MAX_AT_ONCE)
        if not at_most_s or self.expected == 1 or len(self.waiting) >= self.expected:
            return
        self.complete.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self.complete.wait()


class Together(Generic[Q, A]):
    """Puts questions to `asking`, which answers all that it is given, in order, or fails for all.

    Where it fails by `apart`, which says that one of the questions cannot be put at all, each is
    put alone: nobody is refused for what somebody else asked. `gather_s` is the longest that a
    round is held for company; 0: it never is.
    """

    def __init__(
        self,
        asking: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        *,
        apart: tuple[type[Exception], ...],
        gather_s: float = 0.0,
    ) -> None:
        self._asking = asking
        self._apart = apart
        self._gather_s = gather_s
        self._queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue[Q, A]]
        self._queues = weakref.WeakKeyDictionary()

    async def get(self, question: Q) -> A:
        """Return the answer. Raises what the asking raises."""
        return await self.ask(question)

    def ask(self, question: Q) -> asyncio.Future[A]:
        """Return the answer to be, of the running event loop."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = _Queue()
        answer: asyncio.Future[A] = loop.create_future()
        queue.add(question, answer)
        if queue.asking is None or queue.asking.done():
            queue.asking = loop.create_task(self._go(queue))
        return answer

    async def _go(self, queue: _Queue[Q, A]) -> None:
        """Ask round after round for as long as anybody waits."""
        while queue.waiting:
            taken = queue.take()
            await self._round(taken)
            await queue.gather(len(taken), at_most_s=self._gather_s)

    async def _round(self, taken: list[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._asking([question for question, _ in taken])
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
