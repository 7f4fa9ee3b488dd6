"""What an agent asks before it goes on: shown as cards, answered once, and told the agent together.

The run waits with its agent's stream closed, and calls it again with `resume` once all is answered.
What a run that ended before left unanswered is told as cancelled with the next question of the
conversation: until then the agent would take no other.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import redis
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone, translation

from core import audit, database
from portal.errors import ApprovalAnswered, ApprovalOver, PageNotFound, RunOver
from portal.models import Approval, ConsentAtAws, Message, Run
from portal.runs import lease, parts, stream
from portal.runs.consents_at_aws import expire_due
from portal.runs.decoded import ApprovalTooLate, Ask, InterruptUnreadable
from portal.runs.forms import form_for
from portal.timeline import Approval as Card
from portal.timeline import Consent, Part, Tool
from vault.flows.authorization import hashed
from vault.models import ConsentSession

log = logging.getLogger(__name__)

_State = Approval.State
# As a request for consent waits.
WAITS_FOR = timedelta(minutes=10)
# The agent is told `cancelled` while it still takes an answer.
_BEFORE_STALE = timedelta(seconds=5)
# Of one answer.
MAX_CARDS = 20
_LOOK_EVERY_S = 2.0
# What the agent is told of a consent that was given.
_GRANTED = json.dumps({"payload": {"approved": True}})
_OUTCOMES: dict[str, tuple[audit.Outcome, str]] = {
    _State.DECLINED: ("refused", "approval_declined"),
    _State.LAPSED: ("failed", "approval_lapsed"),
}
_NEWS = "$"  # only what comes from here on


def ask(run_id: UUID, asks: Sequence[Ask], tools: Mapping[str, Tool]) -> None:
    """Show what the agent asks in a run. `tools` are those that it told of, by its own ids.

    Of a consent its card stands in the answer already, if the vault asked this person for it.

    Raises:
        RunOver: nobody waits for the answer any more.
        InterruptUnreadable: some of it cannot be shown; none of it is.
        AuditUnavailable: it cannot be put on record.
    """
    told: dict[int, Card] = {}
    with transaction.atomic():
        run = _locked(run_id)
        if run.status != Run.Status.RUNNING:
            raise RunOver
        before = Approval.objects.filter(run=run).count()
        rows = [_row(run, each) for each in asks]
        can_be_shown = before + len(rows) <= MAX_CARDS and all(
            row.consent_id is not None if each.session_uri else each.has_form
            for row, each in zip(rows, asks, strict=True)
        )
        if not can_be_shown:
            for row in rows:
                row.state = _State.CLOSED
        Approval.objects.bulk_create(rows)
        if can_be_shown:
            with translation.override(run.language):
                for row, each in zip(rows, asks, strict=True):
                    audit.record(_event("agent.approval.asked", row))
                    if row.consent_id is None:
                        card = _card(row, each, tools.get(each.tool_id))
                        told[parts.append(run.answer, card)] = card
    if not can_be_shown:
        raise InterruptUnreadable(detail="asked for what no card holds")
    for index, card in told.items():
        _tell(run_id, index, card)


def _row(run: Run, asked: Ask) -> Approval:
    now = timezone.now()
    lapses_at = now + WAITS_FOR
    if asked.expires_at is not None:
        lapses_at = min(lapses_at, asked.expires_at - _BEFORE_STALE)
    return Approval(
        run=run,
        interrupt_id=asked.id,
        schema=json.dumps(asked.schema) if asked.has_form and asked.schema else "",
        consent_id=_consent_named(run, asked.session_uri) if asked.session_uri else None,
        lapses_at=lapses_at,
        stale_at=asked.expires_at,
    )


def _consent_named(run: Run, session_uri: str) -> UUID | None:
    """Return the request for consent of that name whose card stands in the answer of `run`.

    A card stands there if the vault asked this very person, in this conversation, for this agent or
    one that it called: whatever else an agent names is not shown.
    """
    found = hashed(session_uri)
    ours = ConsentSession.objects.filter(request_uri_hash=found).values_list("pk", flat=True)
    at_aws = ConsentAtAws.objects.filter(run=run, session_uri_hash=found)
    known = {str(pk): pk for pk in (*ours, *at_aws.values_list("pk", flat=True))}
    shown = {part.id for part in run.answer.timeline if isinstance(part, Consent)}
    return next((pk for name, pk in known.items() if name in shown), None)


def _card(row: Approval, asked: Ask, tool: Tool | None) -> Card:
    form = form_for(asked.schema)
    return Card(
        id=str(row.pk),
        state=_State.PENDING,
        agent=row.run.conversation.agent.display_name,
        message=asked.message,
        expires_at=row.lapses_at.isoformat(),
        decides=form.decides,
        tool=tool.title if tool else "",
        input=tool.input if tool else "",
        fields=tuple(field.shape() for field in form.fields),
    )


async def answers(run_id: UUID) -> list[dict[str, Any]]:
    """Wait until all that was asked in a run is answered, and return what the agent is told of it.

    That is told once: what is returned here is not kept.

    Raises:
        redis.RedisError: the news cannot be waited for, or whether it was stopped not be known.
        RunOver: somebody else ended the run.
        ApprovalTooLate: the agent takes no answer any more.
    """
    while await database.on_thread(_settle, run_id) or await lease.is_stopping(run_id):
        # Whatever happens in the run: an answer is told there, and so is a consent.
        await stream.read(run_id, after=_NEWS, wait_s=_LOOK_EVERY_S)
    return await database.on_thread(_take_all, run_id)


def _take_all(run_id: UUID) -> list[dict[str, Any]]:
    with transaction.atomic():
        run = _locked(run_id)
        if run.status != Run.Status.RUNNING:
            raise RunOver
        unsent = Approval.objects.filter(run=run, sent_at=None)
        if unsent.filter(stale_at__lte=timezone.now()).exists():
            raise ApprovalTooLate
        return _take(unsent)


def left_over(run: Run) -> list[dict[str, Any]]:
    """Return what the agent is told, with a question, of what nobody answered before it.

    Of what it takes no answer for any more, it is told nothing.
    """
    before = Approval.objects.filter(
        run__conversation=run.conversation_id, sent_at=None, state=_State.CLOSED
    )
    now = timezone.now()
    with transaction.atomic():
        return _take(before.filter(Q(stale_at=None) | Q(stale_at__gt=now)))


def _take(unsent: QuerySet[Approval]) -> list[dict[str, Any]]:
    """Return what the agent is told of these, and keep it no longer."""
    rows = list(unsent.order_by("created_at", "pk").select_for_update(of=("self",), no_key=True))
    told = [row.resume for row in rows]
    sent = Approval.objects.filter(pk__in=[row.pk for row in rows])
    sent.update(sent_at=timezone.now(), answer="")
    return told


def approval_answer(*, run: Run, approval_id: UUID, approve: bool, values: list[str]) -> None:
    """Take the answer of the person whose run it is. It counts once.

    Raises:
        PageNotFound: the run asks no such thing.
        ApprovalAnswered: it was answered before.
        ApprovalOver: nobody waits for the answer any more.
        ApprovalRefused: it is not what the agent asked for.
        redis.RedisError: nobody can say whether the answer was stopped; it is not taken.
        AuditUnavailable: it cannot be put on record, and is not taken.
    """
    with transaction.atomic():
        locked = _locked(run.pk)
        row = Approval.objects.filter(pk=approval_id, run=locked, consent_id=None).first()
        if row is None:
            raise PageNotFound
        if row.state in {_State.APPROVED, _State.DECLINED, _State.ANSWERED}:
            raise ApprovalAnswered
        is_late = row.lapses_at <= timezone.now()
        is_over = locked.status != Run.Status.RUNNING or lease.is_asked_to_stop(run.pk)
        if row.state != _State.PENDING or is_over or is_late:
            raise ApprovalOver
        form = form_for(row.schema_given)
        resume = form.resume(approve=approve, values=values)
        state = _State.DECLINED
        if approve:
            state = _State.APPROVED if form.decides else _State.ANSWERED
        row.state, row.answer = state, json.dumps(resume) if resume else ""
        row.save(update_fields=["state", "answer"])
        index, card = _held(locked.answer, row)
        card = replace(card, state=state, answers=form.answers(values) if approve else ())
        parts.put(locked.answer, {index: card})
        audit.record(_event(f"agent.approval.{state}", row))
    _tell(run.pk, index, card)


def close_all(run: Run) -> None:
    """Let nobody answer what was asked in a run that is over. Its cards are the caller's.

    What was answered and not sent is not sent any more: the agent is told that nobody answered.
    """
    unsent = Approval.objects.filter(run=run, sent_at=None)
    unsent.update(state=_State.CLOSED, answer="")


def _settle(run_id: UUID) -> bool:
    """Note what has ended meanwhile; say whether anything is waited for still.

    A run must not wait for a worker that is away, so what is due is ended here.
    """
    now = timezone.now()
    expire_due(at=now)
    changed: dict[int, Part] = {}
    with transaction.atomic():
        run = _locked(run_id)
        if run.status != Run.Status.RUNNING:
            raise RunOver
        cards = {part.id: part for part in run.answer.timeline if isinstance(part, Consent)}
        waiting = Approval.objects.filter(run=run, state=_State.PENDING)
        still = 0
        for row in waiting:
            consent = cards.get(str(row.consent_id))
            state = _state_of(row, consent, at=now)
            if state == _State.PENDING:
                still += 1
                continue
            row.state = state
            row.answer = _GRANTED if state == _State.APPROVED else ""
            row.save(update_fields=["state", "answer"])
            if state == _State.LAPSED:
                audit.record(_event("agent.approval.lapsed", row))
            if row.consent_id is None:
                index, card = _held(run.answer, row)
                changed[index] = replace(card, state=state)
        if changed:
            parts.put(run.answer, changed)
    for index, part in changed.items():
        _tell(run_id, index, part)
    return bool(still)


def _state_of(row: Approval, consent: Consent | None, *, at: datetime) -> str:
    if consent is not None and not consent.is_open:
        return _State.APPROVED if consent.state == "granted" else _State.DECLINED
    return _State.LAPSED if row.lapses_at <= at else _State.PENDING


def _held(answer: Message, row: Approval) -> tuple[int, Card]:
    timeline = enumerate(answer.timeline)
    return next((n, p) for n, p in timeline if isinstance(p, Card) and p.id == str(row.pk))


def _tell(run_id: UUID, index: int, part: Part) -> None:
    try:
        stream.put_sync(run_id, stream.PART, parts.event_of(index, part), place=index)
    except redis.RedisError as exc:
        log.warning("approval.not_shown", extra={"run": str(run_id), "failure": type(exc).__name__})


def _event(action: str, row: Approval) -> audit.Event:
    conversation = row.run.conversation
    outcome, reason = _OUTCOMES.get(row.state, ("allowed", ""))
    return audit.Event(
        action,
        outcome=outcome,
        reason=reason,
        subject=conversation.user.subject,
        agent=conversation.agent.agent_id,
        # Not the agent's own id of it: the trail is no place for what an agent writes.
        detail={"approval": str(row.pk), "run": str(row.run_id)},
    )


def _locked(run_id: UUID) -> Run:
    """Return a run, locked, with its answer, locked too."""
    runs = Run.objects.select_related("conversation__agent", "conversation__user")
    run = runs.select_for_update(of=("self",), no_key=True).get(pk=run_id)
    run.answer = parts.locked().get(pk=run.answer_id)
    return run
