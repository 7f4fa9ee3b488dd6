"""Tokens that are had for the asking: one request for equal questions, whoever asks and wherever.

Nothing rotates here, so a request that is made twice costs a request and nothing else. That is why
the mark in the row, which says who asks the provider, may end by time: whoever finds it abandoned
takes it over. No row lock and no transaction is held while the provider is asked. Who cannot ask
waits for the answer of who does, and takes a refusal as that one's too.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from core import audit, database, oauth
from core.refreshing import StillBusy
from core.secret import Secret
from core.subject import Subject
from vault.asked import scopes
from vault.asked.wanted import ResourceToken, Wanted
from vault.ending import revocations
from vault.errors import ScopeRefused, TargetRefused
from vault.models import ObtainedToken
from vault.standing import Parties, ask_again

# A token that is handed out is good for at least this long, so that a call made with it arrives.
LEEWAY_S = 20.0
# RFC 6749 section 5.1 lets a server leave expires_in out. Kept this long, a token that lives longer
# costs a request now and then, and one that lives shorter is no worse than any that was revoked.
UNSTATED_S = 300
# A mark older than this has no living owner: the request itself is bounded to 10 s.
_ABANDONED_S = 20.0
_WAIT_S = 25.0
_POLL_S = (0.02, 0.25)
# Nobody repeats a request that failed for this long; a provider's Retry-After counts within bounds.
_PAUSE_S = (2.0, 60.0)
# For one workload identity, provider and owner. An agent that asks in a loop, each time for
# something else, makes no more rows than that.
_MAX_KEPT = 100
# What a provider says no to in the request itself (RFC 6749 section 5.2, RFC 8707 section 2).
_AT_FAULT = {"invalid_scope": ScopeRefused, "invalid_target": TargetRefused}
_TOLD_APART = (
    *(oauth.GrantRejected, oauth.Misconfigured, oauth.Unanswered),
    *_AT_FAULT.values(),
)
_rows = ObtainedToken.objects.with_parties


@dataclass(frozen=True, slots=True)
class Question:
    """All that decides about an answer: who asks, whose access it is, and what is asked for."""

    flow: str
    parties: Parties
    wanted: Wanted
    # For whom the agent was called, if for anybody: for the record, whoever the token is of.
    person: Subject | None
    # What the right to ask comes from, where it is not the workload identity's own.
    subject_token: Secret | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """Return the columns by which its row is found."""
        subject_token = self.subject_token
        parameters = self.wanted.custom_parameters.items()
        asked = [
            self.flow,
            self.wanted.scopes,
            self.wanted.resources,
            self.wanted.audiences,
            sorted((name, value.reveal()) for name, value in parameters),
            None if subject_token is None else subject_token.reveal(),
        ]
        keyed = salted_hmac("vault.obtaining", json.dumps(asked), algorithm="sha256")
        return {**self.parties.columns, "asked_hash": keyed.hexdigest()}

    def event(self, action: str, row: ObtainedToken, **about: Any) -> audit.Event:
        """Return an event about this question; `about` are columns of it."""
        told = {"flow": self.flow, "scopes": list(self.wanted.scopes), "token": str(row.pk)}
        return audit.Event(
            action,
            subject=self.person,
            agent=self.parties.agent_id,
            workload=self.parties.workload.name,
            provider=self.parties.provider.name,
            **{**about, "detail": {**told, **about.get("detail", {})}},
        )


def token_get(
    question: Question, *, parties: Parties, client: str, obtained: Callable[[], ObtainedToken]
) -> ResourceToken:
    """Return the token that answers `question`, kept or by `obtained`, once that is on record.

    `parties` were admitted for this very request.

    Raises:
        As `obtained`.
        Forbidden: one of the parties was switched off while the provider answered.
        StillBusy: it was forgotten at this very moment; the next call asks for another.
        AuditUnavailable: nothing is released.
    """
    row = kept(question)
    if row is None:
        row = obtained()
        ask_again(parties)
    detail = {"generation": row.generation, "session": question.wanted.runtime_session_id}
    return _release(row, question.event("vault.token.released", row, client=client, detail=detail))


def kept(question: Question) -> ObtainedToken | None:
    """Return a token that answers `question` for a while yet, if one is kept. Asks no provider."""
    if question.wanted.forced:
        return None
    row = _rows().filter(**question.columns).first()
    good = row is not None and row.is_good(at=timezone.now(), leeway_s=LEEWAY_S)
    return row if good else None


def obtain(question: Question, *, ask: Callable[[], oauth.Tokens]) -> ObtainedToken:
    """Return a token that was got by `ask`, by this call or by one beside it; that is on record.

    Where a new one is forced, one that was got before this call does not do.

    Raises:
        ScopeRefused, TargetRefused: the provider does not give what was asked for.
        oauth.OAuthError: the provider refused, just now or a moment ago, here or elsewhere.
        StillBusy: somebody else asks, and did not finish in time.
        AuditUnavailable: what the provider answered cannot be put on record.
    """
    row = _row(question)
    seen, give_up_at, pause_s = row.generation, time.monotonic() + _WAIT_S, _POLL_S[0]
    while True:
        now = timezone.now()
        if row.generation > seen or (
            not question.wanted.forced and row.is_good(at=now, leeway_s=LEEWAY_S)
        ):
            return row
        if row.retry_at is not None and now < row.retry_at and _concerns_provider_of(row):
            raise _refusal_of(row)
        claim = _claim(row, at=now)
        if claim is not None:
            return _asked(question, row, claim, ask)
        if time.monotonic() > give_up_at:
            raise StillBusy
        database.let_go()
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _POLL_S[1])
        row = _row(question)


def _release(row: ObtainedToken, event: audit.Event) -> ResourceToken:
    """Return the token of `row`, once `event`, which tells of its release, is on record."""
    try:
        with transaction.atomic(durable=True):
            audit.record(event)
            held = ObtainedToken.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
            if not held:
                transaction.set_rollback(True)
    except DatabaseError as exc:
        raise audit.AuditUnavailable(detail=type(exc).__name__) from None
    if not held:
        raise StillBusy(detail="forgotten meanwhile")
    return ResourceToken(row.access_token(), row.expires_at, tuple(row.scopes))


def forget_expired(*, at: datetime) -> int:
    """Delete the rows that answer nobody any more at `at`, and return how many they were."""
    over = Q(expires_at__lt=at) | Q(expires_at=None, created_at__lt=at - timedelta(hours=1))
    idle = Q(asking_since=None) | Q(asking_since__lt=at - timedelta(seconds=_ABANDONED_S))
    deleted, _ = ObtainedToken.objects.filter(over & idle).delete()
    return deleted


def _row(question: Question) -> ObtainedToken:
    """Return the row of `question` as it stands, made where there is none."""
    found = _rows().filter(**question.columns).first()
    if found is not None:
        return found
    new = ObtainedToken(
        **question.columns,
        resources=list(question.wanted.resources),
        audiences=list(question.wanted.audiences),
    )
    with transaction.atomic():
        question.parties.hold()
        others = ObtainedToken.objects.filter(**question.parties.columns)
        too_old = others.order_by("-created_at").values("pk")[_MAX_KEPT - 1 :]
        others.filter(pk__in=[one["pk"] for one in too_old]).delete()
        if not others.filter(asked_hash=new.asked_hash).exists():
            new.save(force_insert=True)
    return _rows().get(**question.columns)


def _claim(row: ObtainedToken, *, at: datetime) -> uuid.UUID | None:
    """Mark `row` as asked for by this call, and return the mark; None: somebody else is at it."""
    claim = uuid.uuid4()
    abandoned = Q(asking_since__lt=at - timedelta(seconds=_ABANDONED_S))
    # As it was read: whoever waited for an answer or a refusal takes that one first.
    as_read = ObtainedToken.objects.filter(
        pk=row.pk, generation=row.generation, failed_at=row.failed_at
    )
    taken = as_read.filter(Q(asking_by=None) | abandoned).update(asking_by=claim, asking_since=at)
    return claim if taken else None


def _asked(
    question: Question, row: ObtainedToken, claim: uuid.UUID, ask: Callable[[], oauth.Tokens]
) -> ObtainedToken:
    """Return `row` with what `ask` brings, stored and on record."""
    mine = ObtainedToken.objects.filter(pk=row.pk, asking_by=claim)
    try:
        tokens = ask()
    except oauth.OAuthError as exc:
        refusal = _in_the_request(exc)
        _store_refusal(question, row, claim, refusal)
        raise refusal from None
    now = timezone.now()
    lifetime_s = UNSTATED_S if tokens.expires_in_s is None else tokens.expires_in_s
    changes = {
        "access_sealed": row.sealed(tokens.access),
        "expires_at": now + timedelta(seconds=lifetime_s),
        "obtained_at": now,
        "scopes": scopes.granted(tokens.scope, asked=question.wanted.scopes),
        "generation": row.generation + 1,
        "asking_by": None,
        "asking_since": None,
        "failure": "",
        "failure_words": "",
        "failed_at": None,
        "retry_at": None,
    }
    with transaction.atomic():
        stored = mine.update(**changes)
        if stored:
            detail = {"generation": row.generation + 1, "expires_in_s": lifetime_s}
            audit.record(question.event("vault.token.obtained", row, detail=detail))
        else:
            orphan = revocations.queue(row, tokens.access, None)
    if not stored:
        # It was taken back while the provider answered, so nobody may use what came.
        revocations.attempt(orphan)
        raise StillBusy(detail="forgotten meanwhile")
    for name, value in changes.items():
        setattr(row, name, value)
    return row


def _in_the_request(refusal: oauth.OAuthError) -> oauth.OAuthError:
    """Return the refusal of what the agent asked for, where it is that and not of the client."""
    kind = _AT_FAULT.get(refusal.error)
    if kind is None or not isinstance(refusal, oauth.Misconfigured):
        return refusal
    return kind(refusal.message, error=refusal.error, description=refusal.description)


def _store_refusal(
    question: Question, row: ObtainedToken, claim: uuid.UUID, refusal: oauth.OAuthError
) -> None:
    now = timezone.now()
    shortest_s, longest_s = _PAUSE_S
    asked_for_s = refusal.retry_after_s or 0.0
    pause_s = min(max(asked_for_s, shortest_s), longest_s)
    with transaction.atomic():
        audit.record(
            question.event(
                "vault.token.obtained",
                row,
                outcome="failed",
                reason=refusal.code,
                detail={"failure": refusal.detail},
            )
        )
        ObtainedToken.objects.filter(pk=row.pk, asking_by=claim).update(
            asking_by=None,
            asking_since=None,
            failure=refusal.code,
            failure_words=str(refusal.message)[:512],
            failed_at=now,
            retry_at=now + timedelta(seconds=pause_s),
        )


def _concerns_provider_of(row: ObtainedToken) -> bool:
    """Say whether the last refusal came after the last change of the provider by an admin."""
    return row.failed_at is not None and row.failed_at >= row.provider.updated_at


def _refusal_of(row: ObtainedToken) -> oauth.OAuthError:
    """Return what the last request was refused with, for whoever asks for the same right after."""
    detail = "as another request a moment ago"
    for kind in _TOLD_APART:
        if kind.code == row.failure:
            return kind(row.failure_words, detail=detail)
    return oauth.TryLater(detail=detail)
