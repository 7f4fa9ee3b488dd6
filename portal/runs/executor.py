"""The executor: every web process has one, and together they execute every run once.

It takes runs from the queue as it has room, gives a sign of life for each while it goes on, and
ends what a process that is gone has left behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

import redis
from django.db import DatabaseError

from core import database, reference
from core.errors import AppError
from portal.models import Run
from portal.runs import lease, notices, queue, records, stream, turn
from portal.runs.answer import Answer
from portal.runs.records import Outcome, Turn

log = logging.getLogger(__name__)

# Most runs wait, for their agent or for a person's consent.
MAX_RUNS = 200
_TAKE_WAIT_S = 2.0
_PULSE_S = 0.4
_SWEEP_S = 2.0
# A run is begun a moment before its lease is taken.
_BEGINNING_S = float(lease.LEASE_S)
# A run that waits for longer may have been lost on its way through the queue.
_QUEUED_S = 10.0
_PAUSE_S = 1.0
_FINISH_PAUSES_S = (0.0, 0.5, 1.0, 2.0)


@dataclass(slots=True)
class _Execution:
    """A run that this process executes, and how it ends if it is cancelled."""

    task: asyncio.Task[None]
    leased: bool = False
    cancelled_as: Outcome | None = None
    ending: bool = False


class Executor:
    """One process's share of the work."""

    def __init__(self) -> None:
        self._executions: dict[UUID, _Execution] = {}
        self._room = asyncio.Semaphore(MAX_RUNS)
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take runs."""
        self._loops = [
            asyncio.create_task(_forever(name, step), name=f"runs-{name}")
            for name, step in (
                ("take", self._take),
                ("pulse", self._pulse),
                ("sweep", self._sweep),
            )
        ]

    async def stop(self) -> None:
        """Take no more runs, and end those under way as interrupted."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        tasks = [execution.task for execution in self._executions.values()]
        for run_id in list(self._executions):
            self._cancel(Outcome(run_id, Run.Status.FAILED, notices.INTERRUPTED))
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cancel(self, outcome: Outcome) -> None:
        """End the execution of a run as `outcome` says, unless it is being ended already.

        It may be called again: a library below may lose a cancellation.
        """
        execution = self._executions.get(outcome.run_id)
        if execution is not None and not execution.ending:
            execution.cancelled_as = execution.cancelled_as or outcome
            execution.task.cancel()

    async def _take(self) -> None:
        await queue.prepare()
        while True:
            await self._room.acquire()
            run_id = None
            try:
                run_id = await queue.take(wait_s=_TAKE_WAIT_S)
            finally:
                if run_id is None or run_id in self._executions:
                    self._room.release()
            if run_id is not None and run_id not in self._executions:
                self._begin(run_id)

    def _begin(self, run_id: UUID) -> None:
        task = asyncio.create_task(self._execute(run_id), name=f"run-{run_id}")
        self._executions[run_id] = _Execution(task)

        def done(_: asyncio.Task[None]) -> None:
            del self._executions[run_id]
            self._room.release()

        task.add_done_callback(done)

    async def _pulse(self) -> None:
        """Renew the leases, and learn which runs are to stop."""
        await asyncio.sleep(_PULSE_S)
        leased = [run_id for run_id, found in self._executions.items() if found.leased]
        if not leased:
            return
        signs = await lease.renew(leased)
        for run_id in signs.stop:
            self._cancel(Outcome(run_id, Run.Status.STOPPED))
        for run_id in signs.lost:
            # Redis was away for so long that others may take this process for dead.
            self._cancel(Outcome(run_id, Run.Status.FAILED, notices.INTERRUPTED))

    async def _sweep(self) -> None:
        """End what other processes left behind, and queue again what was lost."""
        await asyncio.sleep(_SWEEP_S)
        started = records.seconds_ago(_BEGINNING_S)
        for run_id in await lease.without(
            await database.on_thread(records.running_before, started)
        ):
            abandoned = Outcome(run_id, Run.Status.FAILED, notices.INTERRUPTED)
            if run_id not in self._executions and await database.on_thread(
                records.run_finish, abandoned, may_wait=True
            ):
                log.warning("run.abandoned", extra={"run": str(run_id)})
        waiting = records.seconds_ago(_QUEUED_S)
        for run_id in await database.on_thread(records.queued_before, waiting):
            if run_id not in self._executions:
                await queue.put_again(run_id)

    async def _execute(self, run_id: UUID) -> None:
        reference.begin()
        begun = await database.on_thread(records.run_begin, run_id)
        if begun is None:
            return
        answer = Answer(run_id)
        outcome = await self._outcome_of(begun, answer)
        with suppress(redis.RedisError):
            await answer.close_text()
        await _finish(replace(outcome, parts=answer.parts))
        with suppress(redis.RedisError):
            await lease.drop(run_id)

    async def _outcome_of(self, begun: Turn, answer: Answer) -> Outcome:
        """Return how the run ended; whatever happens, it has ended."""
        run_id = begun.run_id
        execution = self._executions[run_id]
        try:
            await lease.take(run_id)
            execution.leased = True
            await stream.append(run_id, "status", {"status": Run.Status.RUNNING})
            code = await turn.execute(begun, answer)
        except asyncio.CancelledError:
            if execution.cancelled_as is None:
                raise
            return execution.cancelled_as
        except AppError as exc:
            log.info("run.failed", extra={"run": str(run_id), "reason": exc.code,
                                          "detail": exc.detail})  # fmt: skip
            return Outcome(run_id, Run.Status.FAILED, exc.code)
        except redis.RedisError as exc:
            log.warning("run.untold", extra={"run": str(run_id), "failure": type(exc).__name__})
            return Outcome(run_id, Run.Status.FAILED, notices.INTERRUPTED)
        except Exception:  # the boundary: a bug ends the run, not the executor
            log.exception("run.broke", extra={"run": str(run_id)})
            return Outcome(run_id, Run.Status.FAILED, "internal")
        finally:
            execution.ending = True
        return Outcome(run_id, Run.Status.DONE, code)


async def _forever(name: str, step: Callable[[], Awaitable[None]]) -> None:
    """Repeat `step`, whatever becomes of it: without these loops nothing is ever answered."""
    while True:
        try:
            await step()
        except (redis.RedisError, DatabaseError, OSError) as exc:
            log.warning("executor.waits", extra={"loop": name, "failure": type(exc).__name__})
            await asyncio.sleep(_PAUSE_S)
        except Exception:  # the boundary of a loop that must not end
            log.exception("executor.broke", extra={"loop": name})
            await asyncio.sleep(_PAUSE_S)


async def _finish(outcome: Outcome) -> None:
    """End the run's row, with patience for a database that restarts."""
    for pause_s in _FINISH_PAUSES_S:
        await asyncio.sleep(pause_s)
        try:
            await database.on_thread(records.run_finish, outcome, may_wait=True)
        except DatabaseError as exc:
            log.warning("run.unfinished", extra={"run": str(outcome.run_id),
                                                 "failure": type(exc).__name__})  # fmt: skip
        else:
            return
