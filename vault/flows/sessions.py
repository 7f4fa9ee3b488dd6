"""Consent sessions: finding them, and moving them from one status to the next.

A move is one guarded UPDATE. Of two requests that want the same move one gets it, and a status that
is not in the table's row cannot be left that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agents.workload import Chain
from core import audit
from core.secret import Secret
from vault.ending import revocations
from vault.errors import AnswerInvalid, AnswerOvertaken, SessionUnknown
from vault.events import consent_changed
from vault.flows.authorization import hashed
from vault.flows.errors import (
    ConsentDenied,
    ConsentEnded,
    ConsentExpired,
    ConsentFailed,
    ConsentUsed,
    ConsentWithdrawn,
)
from vault.grants.attention import Trouble, trouble_of
from vault.models import ConsentSession, Grant
from vault.standing import Parties

Status = ConsentSession.Status

# From where each status may be reached.
MOVES: Mapping[Status, frozenset[Status]] = {
    Status.AUTHORIZING: frozenset({Status.PENDING, Status.AUTHORIZING}),
    Status.EXCHANGING: frozenset({Status.AUTHORIZING}),
    Status.EXCHANGED: frozenset({Status.EXCHANGING}),
    Status.COMPLETED: frozenset({Status.EXCHANGED}),
    Status.DENIED: frozenset({Status.PENDING, Status.AUTHORIZING}),
    Status.FAILED: frozenset(ConsentSession.OPEN),
    Status.EXPIRED: frozenset(ConsentSession.OPEN),
}
_ENDS = frozenset({Status.COMPLETED, Status.DENIED, Status.FAILED, Status.EXPIRED})
# A person has consented to none of these yet.
WAITING = frozenset({Status.PENDING, Status.AUTHORIZING})
# For one workload identity, person and provider: a few conversations at once, each with its card.
MAX_WAITING = 10
_EXPIRED_AT_ONCE = 500
# A person's no is theirs to say, as a yes is: nobody refused anything.
_OUTCOMES: Mapping[Status, audit.Outcome] = {
    Status.DENIED: "allowed",
    Status.FAILED: "failed",
    Status.EXPIRED: "failed",
}
_rows = ConsentSession.objects.with_parties
# What is left behind with each status, so that nothing secret outlives its use.
_DROPPED: Mapping[str, Any] = {"access_sealed": None, "refresh_sealed": None}


def by_id(session_id: UUID, *, lock: bool = False) -> ConsentSession:
    """Return the session as it stands now; with `lock`, held until the transaction ends."""
    rows = _rows().select_for_update(of=("self",), no_key=True) if lock else _rows()
    return rows.get(pk=session_id)


def by_uri(session_uri: str) -> ConsentSession:
    """Return the session that a request URI names. Raises SessionUnknown."""
    found = _rows().filter(request_uri_hash=hashed(session_uri)).first()
    if found is None:
        raise SessionUnknown
    return found


def by_state(state_hash: str, *, provider_id: UUID, browser: Secret | None) -> ConsentSession:
    """Return the session that sent this state to this provider.

    Raises:
        AnswerOvertaken: the state is not known, and `browser` is at this provider with another one.
        AnswerInvalid: the state is not known.
    """
    rows = _rows().filter(provider_id=provider_id)
    found = rows.filter(state_hash=state_hash).first()
    if found is not None:
        return found
    under_way = rows.filter(status=Status.AUTHORIZING, expires_at__gt=timezone.now())
    if browser and under_way.filter(browser_hash=hashed(browser.reveal())).exists():
        raise AnswerOvertaken
    raise AnswerInvalid(detail="the state is not known, or was replaced by a newer one")


def ended(session: ConsentSession) -> ConsentEnded:
    """Return the refusal that fits a session which cannot go on."""
    kinds: dict[str, type[ConsentEnded]] = {
        Status.DENIED: ConsentDenied,
        Status.FAILED: ConsentFailed,
        Status.EXPIRED: ConsentExpired,
    }
    if session.status in ConsentSession.OPEN and session.expires_at <= timezone.now():
        return ConsentExpired(session)
    if session.failure == ConsentWithdrawn.code:
        return ConsentWithdrawn(session)
    return kinds.get(session.status, ConsentUsed)(session)


def is_connected(session: ConsentSession) -> bool:
    """Say whether `session` was completed, and what it granted can be used still."""
    if session.status != Status.COMPLETED:
        return False
    now = timezone.now()
    theirs = Grant.objects.of(session.subject).held()
    granted = theirs.filter(
        workload_identity=session.workload_identity_id,
        provider=session.provider_id,
        target=session.target,
    )
    return any(trouble_of(grant, at=now) != Trouble.OVER for grant in granted)


def announce(session: ConsentSession, *, chain: Chain = ()) -> None:
    """Tell the rest of the site of `session`, once the transaction under way is committed.

    `chain` is of those through whom the agent was called that asks at this moment, if it does.
    """

    def send() -> None:
        consent_changed.send_robust(sender=ConsentSession, session=session, chain=chain)

    transaction.on_commit(send)


def move(session: ConsentSession, to: Status, *, where: Q | None = None, **columns: Any) -> bool:
    """Move `session` on if it may, in time; say whether this call did. Announces it.

    `columns` are set with the status, and on `session` too. Only a journey under way keeps its
    verifier. A move away from EXCHANGED must drop the tokens, or the database refuses it.
    """
    now = timezone.now()
    changes: dict[str, Any] = {"status": to, **columns}
    if to in _ENDS:
        changes |= {"ended_at": now, "custom_state_sealed": None, "custom_parameters_sealed": None}
    if to not in {Status.AUTHORIZING, Status.EXCHANGING}:
        changes["verifier_sealed"] = None
    rows = ConsentSession.objects.filter(pk=session.pk, status__in=MOVES[to])
    if to != Status.EXPIRED:
        rows = rows.filter(expires_at__gt=now)
    if where is not None:
        rows = rows.filter(where)
    with transaction.atomic():
        if not rows.update(**changes):
            return False
        for name, value in changes.items():
            setattr(session, name, value)
        announce(session)
    return True


def fail(
    session: ConsentSession,
    to: Status,
    *,
    reason: str,
    words: str = "",
    where: Q | None = None,
) -> bool:
    """End `session` without a grant, put that on record, and burn tokens it holds.

    Tokens that were got already are revoked at the provider, by this call or by a later one.
    """
    with transaction.atomic():
        held = by_id(session.pk, lock=True)
        burnt = None
        if held.status == Status.EXCHANGED:
            burnt = revocations.queue(held, *held.tokens())
        if not move(
            session, to, where=where, failure=reason, provider_words=words[:512], **_DROPPED
        ):
            # Somebody else moved it on. What was queued is taken back with the transaction.
            transaction.set_rollback(True)
            return False
        audit.record(
            audit.Event(
                f"vault.consent.{to}",
                outcome=_OUTCOMES[to],
                reason=reason,
                subject=session.subject,
                agent=session.workload_identity.agent_id,
                workload=session.workload_identity.name,
                provider=session.provider.name,
                detail={"consent": str(session.pk), **({"words": words} if words else {})},
            )
        )
    if burnt is not None:
        revocations.attempt(burnt)
    return True


def make_room(parties: Parties) -> None:
    """End and delete the oldest of what `parties` wait for, until one session more may be begun.

    An agent that asks in a loop, each time for something else, makes no more rows than that; the
    audit trail keeps what there was. Links that nobody opened go first. Runs in the caller's
    transaction, which holds `parties`.
    """
    waiting = _rows().filter(**parties.columns, status__in=WAITING)
    oldest = sorted(waiting, key=lambda one: (one.status != Status.PENDING, one.created_at))
    for session in oldest[: max(0, len(oldest) - MAX_WAITING + 1)]:
        # What a person consents to at this very moment is not theirs to lose.
        if fail(session, Status.EXPIRED, reason="superseded", where=Q(status__in=WAITING)):
            ConsentSession.objects.filter(pk=session.pk).delete()


def expire_due(*, at: datetime) -> int:
    """End the sessions whose time is over at `at`, and return how many this call ended."""
    due = _rows().filter(status__in=ConsentSession.OPEN, expires_at__lte=at)
    return sum(
        fail(session, Status.EXPIRED, reason="expired")
        for session in due.order_by("expires_at")[:_EXPIRED_AT_ONCE]
    )
