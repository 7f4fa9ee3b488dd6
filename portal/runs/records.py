"""The row of a run: begun once, finished once, whoever tries and however often.

Every change is one UPDATE with the status that it leaves in its condition, so that of two processes
one changes the row and the other learns that it did not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import redis
from django.db import transaction
from django.utils import timezone

from core import audit, reference
from core.errors import AppError
from portal.models import Conversation, Run
from portal.runs import approvals, consents_at_aws, notices, parts, stream
from portal.runs.consents_at_aws import AtAws
from portal.runs.question import Question, question_of
from portal.timeline import Access, Approval, Consent, Part, besides, over, told_of, was_refused
from vault.flows import consent

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """What the executor needs to know of a run that it has begun."""

    run_id: UUID
    agent_id: str
    session_id: str
    signin_id: UUID | None
    question: Question
    at_aws: AtAws | None = None
    # What the agent is told, with the question, of what it asked before and nobody answered.
    resume: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `parts` are what may not be stored yet of its answer, with their places."""

    run_id: UUID
    status: str
    code: str = ""
    parts: Mapping[int, Part] = field(default_factory=dict)


def run_begin(run_id: UUID) -> Turn | None:
    """Return the turn to execute, its run now running; None: it was begun or ended before.

    The run takes the reference under which the caller's audit events and log lines stand.
    """
    begun = Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).update(
        status=Run.Status.RUNNING,
        started_at=timezone.now(),
        reference=reference.current().id,
    )
    if not begun:
        return None
    run = Run.objects.select_related("conversation__agent", "question").get(pk=run_id)
    return Turn(
        run_id=run.pk,
        agent_id=run.conversation.agent.agent_id,
        session_id=run.conversation.runtime_session_id,
        signin_id=run.signin_id,
        question=question_of(run),
        at_aws=consents_at_aws.at_aws(run.conversation.agent),
        resume=approvals.left_over(run),
    )


def run_finish(outcome: Outcome) -> bool:
    """End an active run and tell its tabs; say whether it was this call that ended it.

    Nobody waits for a consent whose run was stopped or failed, so the vault withdraws it, for which
    it may call the provider. A failure goes on record under the run's reference, which the person
    is shown.
    """
    active = Run.objects.filter(pk=outcome.run_id, status__in=Run.ACTIVE)
    if outcome.status != Run.Status.DONE:
        _withdraw_consents(active.select_related("answer", "conversation__user").first())
    with transaction.atomic():
        run = active.select_for_update(of=("self",), no_key=True).first()
        if run is None:
            return False
        run.answer = parts.locked().get(pk=run.answer_id)
        consents_at_aws.close_all(run)
        approvals.close_all(run)
        changed = _over(run, outcome.parts)
        run.status, run.code, run.finished_at = outcome.status, outcome.code, timezone.now()
        if outcome.status == Run.Status.FAILED:
            run.notice = notices.sentence_for(outcome.code, language=run.language)
            _put_on_record(run)
        run.save(update_fields=["status", "code", "notice", "finished_at"])
        Conversation.objects.filter(pk=run.conversation_id).update(updated_at=run.finished_at)
    _tell_finished(run, changed)
    return True


def _over(run: Run, last: Mapping[int, Part]) -> dict[int, Part]:
    """Store how the parts stand at the end; return those of which a tab may not know.

    A card that settled at the last moment is stored and not told yet, and after the end nothing is.
    What was used and stands at no tool is a part of its own.
    """
    answer = run.answer
    told = dict(enumerate(answer.timeline)) | dict(last)
    final = {index: over(part) for index, part in told.items()}
    parts.put(answer, final)
    changed = {
        index: part
        for index, part in final.items()
        if part != told[index] or isinstance(part, Consent | Approval)
    }
    access = _access_besides(run, final.values())
    return changed | ({parts.append(answer, access): access} if access else {})


def _access_besides(run: Run, said: Iterable[Part]) -> Access | None:
    if run.started_at is None:
        return None
    used = parts.used_meanwhile(run.pk, since=run.started_at, until=timezone.now())
    return besides(used, told_of(said))


def _put_on_record(run: Run) -> None:
    if run.reference:
        reference.resume(run.reference)
    audit.record(
        audit.Event(
            "run.failed",
            outcome="failed",
            reason=run.code,
            subject=run.conversation.user.subject,
            agent=run.conversation.agent.agent_id,
            detail={"run": str(run.pk)},
        )
    )


def _withdraw_consents(run: Run | None) -> None:
    if run is None:
        return
    cards = [part for part in run.answer.timeline if isinstance(part, Consent)]
    waiting = [card.id for card in cards if card.is_open and not card.host]
    for consent_id in waiting:
        try:
            consent.withdraw(session_id=UUID(consent_id), subject=run.conversation.user.subject)
        except AppError as exc:
            # The card then says no more than that nobody waits; the request ends by itself.
            log.warning("run.consent_not_withdrawn", extra={"run": str(run.pk), "reason": exc.code})


def finished_event(run: Run) -> dict[str, str]:
    """Return the data of the last event of `run`."""
    failed = run.status == Run.Status.FAILED
    return {
        "status": run.status,
        "code": run.code,
        "notice": run.notice,
        "reference": run.reference if failed else "",
        "again": again_after(run),
        "closed": notices.closed_for(run.code, language=run.language) if failed else "",
    }


def again_after(run: Run) -> str:
    """Return how the question may be asked again: `retry`, `ask` where consent is what was missing
    or has come since, or the empty string where it was answered, or nobody is there to answer it.
    """
    if run.is_active or notices.closes(run.code):
        return ""
    if run.status != Run.Status.DONE:
        return "retry"
    goes_on = run.code == notices.CONNECTED or was_refused(run.answer.timeline)
    return "ask" if goes_on else ""


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


def _tell_finished(run: Run, changed: Mapping[int, Part]) -> None:
    try:
        for index, part in changed.items():
            stream.append_sync(run.pk, stream.PART, parts.event_of(index, part))
        stream.append_sync(run.pk, stream.FINISHED, finished_event(run))
    except redis.RedisError as exc:
        # A tab that waits finds the row finished by itself.
        log.warning(
            "run.finish_not_told", extra={"run": str(run.pk), "failure": type(exc).__name__}
        )
