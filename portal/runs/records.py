"""The row of a run: begun once, finished once, whoever tries and however often.

Every change is one UPDATE with the status that it leaves in its condition, so that of two processes
one changes the row and the other learns that it did not.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import redis
from django.db import transaction
from django.utils import timezone

from portal.models import Conversation, Message, Run
from portal.runs import notices, stream

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """What the executor needs to know of a run that it has begun."""

    run_id: UUID
    agent_id: str
    session_id: str
    signin_id: UUID | None
    prompt: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `text` is what the answer came to; None: what was stored before stands."""

    run_id: UUID
    status: str
    code: str = ""
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """The text of an answer that is still growing."""

    run_id: UUID
    text: str


def run_begin(run_id: UUID) -> Turn | None:
    """Return the turn to execute, its run now running; None: it was begun or ended before."""
    begun = Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).update(
        status=Run.Status.RUNNING, started_at=timezone.now()
    )
    if not begun:
        return None
    run = Run.objects.select_related("conversation__agent", "question").get(pk=run_id)
    return Turn(
        run_id=run.pk,
        agent_id=run.conversation.agent.agent_id,
        session_id=run.conversation.runtime_session_id,
        signin_id=run.signin_id,
        prompt=run.question.text,
    )


def answer_store(draft: Draft) -> None:
    """Store what came so far of an answer, while its run goes on."""
    Message.objects.filter(run=draft.run_id, run__status=Run.Status.RUNNING).update(text=draft.text)


def run_finish(outcome: Outcome) -> bool:
    """End an active run and tell its tabs; say whether it was this call that ended it."""
    with transaction.atomic():
        run = (
            Run.objects.select_for_update(of=("self",), no_key=True)
            .filter(pk=outcome.run_id, status__in=Run.ACTIVE)
            .first()
        )
        if run is None:
            return False
        run.status, run.code, run.finished_at = outcome.status, outcome.code, timezone.now()
        if outcome.status == Run.Status.FAILED:
            run.notice = notices.sentence_for(outcome.code, language=run.language)
        run.save(update_fields=["status", "code", "notice", "finished_at"])
        if outcome.text is not None:
            Message.objects.filter(pk=run.answer_id).update(text=outcome.text)
        Conversation.objects.filter(pk=run.conversation_id).update(updated_at=run.finished_at)
    _tell_finished(run)
    return True


def finished_event(run: Run) -> dict[str, str]:
    """Return the data of the last event of `run`."""
    return {"status": run.status, "code": run.code, "notice": run.notice}


def running_before(moment: datetime) -> list[UUID]:
    """Return the runs that say that they have been running since before `moment`."""
    running = Run.objects.filter(status=Run.Status.RUNNING, started_at__lt=moment)
    return list(running.values_list("pk", flat=True))


def queued_before(moment: datetime) -> list[UUID]:
    """Return the runs that have been waiting since before `moment`."""
    queued = Run.objects.filter(status=Run.Status.QUEUED, created_at__lt=moment)
    return list(queued.values_list("pk", flat=True))


def seconds_ago(seconds: float) -> datetime:
    """Return the moment `seconds` before now."""
    return timezone.now() - timedelta(seconds=seconds)


def _tell_finished(run: Run) -> None:
    try:
        stream.append_sync(run.pk, stream.FINISHED, finished_event(run))
    except redis.RedisError as exc:
        # A tab that waits finds the row finished by itself.
        log.warning(
            "run.finish_not_told", extra={"run": str(run.pk), "failure": type(exc).__name__}
        )
