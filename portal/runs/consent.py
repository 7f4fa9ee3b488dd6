"""The consent card: shown in the chat as soon as the vault knows, whatever the agent prints."""

from __future__ import annotations

import base64
import logging
from typing import Any
from uuid import UUID

import redis
from django.db import transaction
from django.dispatch import receiver
from django.utils import translation

from agents.models import WorkloadIdentity
from agents.workload import Chain
from core.crypto import Binding, KeyMissing, SealBroken, open_sealed, seal
from portal.models import Message, Run
from portal.runs import parts, stream
from portal.timeline import Consent
from vault.events import consent_changed
from vault.holdings.selectors import ConsentCard, consent_card
from vault.models import ConsentSession

log = logging.getLogger(__name__)

# Of one answer, whatever became of them. An agent that asks on gets its link, and no card.
MAX_CARDS = 10


@receiver(consent_changed, dispatch_uid="portal.consent_card")
def consent_show(session: ConsentSession, chain: Chain = (), **kwargs: Any) -> None:
    """Show how a consent session stands in the run that waits for it, if there is one.

    That is the run under way in the conversation whose runtime session the agent was called in,
    whose agent is the one that asks or the first of those through whom that one was called, and
    whose person is the one who is asked: whoever calls another agent may name any runtime session.
    What became of it since is stored in older answers too.
    """
    run = (
        Run.objects.select_related("conversation__agent")
        .filter(
            conversation__runtime_session_id=session.runtime_session_id,
            conversation__user__iss=session.user_iss,
            conversation__user__sub=session.user_sub,
        )
        .order_by("-created_at")
        .first()
    )
    if run is None:
        return
    through = _through(session, chain, run)
    if through is None:
        return
    with translation.override(run.language):
        card = consent_card(session)
        part = _part_of(card, through)
    index = put(run.pk, part)
    if index is not None:
        tell(run.pk, index, part, url=card.url)


def _through(session: ConsentSession, chain: Chain, run: Run) -> str | None:
    """Return who called the agent that asks; the empty string: the conversation's own agent asks.

    None: it was not called in this conversation. `chain` is what the sealed token of the agent says
    while it asks; of what becomes of the request later the card knows that is there.
    """
    own = run.conversation.agent.workload_identity_id
    if chain:
        return _names_of(chain) if chain[-1].workload_id == own else None
    shown = Message.objects.filter(
        conversation=run.conversation_id,
        parts__contains=[{"kind": Consent.kind, "id": str(session.pk)}],
    ).first()
    if shown is not None:
        return held(shown, str(session.pk))[1].through
    return "" if session.workload_identity_id == own else None


def _names_of(chain: Chain) -> str:
    """Return what people call those of a chain, the first of them first."""
    ids = [link.workload_id for link in chain]
    known = WorkloadIdentity.objects.select_related("agent").in_bulk(ids)
    return " → ".join(
        known[link.workload_id].agent_name if link.workload_id in known else link.name
        for link in reversed(chain)
    )


def url_in(run_id: UUID, event: dict[str, Any]) -> str:
    """Return the link that an event of this run carries sealed, unless it does not open.

    May query.
    """
    sealed = base64.b64decode(event.get("url", ""))
    if not sealed:
        return ""
    try:
        return open_sealed(sealed, bound_to=_binding(run_id, event["id"])).reveal()
    except (SealBroken, KeyMissing) as exc:
        log.warning("consent.link_lost", extra={"run": str(run_id), "detail": exc.detail})
        return ""


def tell(run_id: UUID, index: int, part: Consent, *, url: str) -> None:
    """Tell the run's tabs how the card stands. `url` is its link, while it can be used.

    Whoever has the link can open it, so in Redis it is sealed.
    """
    sealed = seal(url, bound_to=_binding(run_id, part.id)) if url else b""
    told = {**parts.event_of(index, part), "url": base64.b64encode(sealed).decode("ascii")}
    try:
        stream.put_sync(run_id, stream.PART, told, place=index)
    except redis.RedisError as exc:
        log.warning("consent.not_shown", extra={"run": str(run_id), "failure": type(exc).__name__})


def put(run_id: UUID, part: Consent) -> int | None:
    """Store the part wherever it stands, and begin it in the run, if that is under way.

    Returns its place in that run, or None where the run shows nothing of it.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",), no_key=True).get(pk=run_id)
        there = parts.locked().filter(
            conversation=run.conversation_id,
            parts__contains=[{"kind": part.kind, "id": part.id}],
        )
        holding = {message.pk: message for message in there.order_by("created_at")}
        for message in holding.values():
            index, before = held(message, part.id)
            # What has ended, or whose run has, is not opened again by word that comes late.
            if before.is_open or not part.is_open:
                parts.put(message, {index: part})
        if not run.is_active:
            return None
        if run.answer_id in holding:
            index, before = held(holding[run.answer_id], part.id)
            return index if before == part else None
        if not part.is_open:
            return None
        return _begin(parts.locked().get(pk=run.answer_id), part)


def _begin(answer: Message, part: Consent) -> int | None:
    """Give a new card its place in an answer whose row is locked; None where there is no room.

    An answer that has all its cards shows a newer request in the place of one that has expired: the
    vault ends the oldest of those that wait when an agent asks on and on.
    """
    cards = {n: p for n, p in enumerate(answer.timeline) if isinstance(p, Consent)}
    if len(cards) < MAX_CARDS:
        return parts.append(answer, part)
    for index, card in cards.items():
        if (card.state, card.provider) == ("expired", part.provider):
            parts.put(answer, {index: part})
            return index
    log.warning("consent.no_room", extra={"answer": str(answer.pk), "cards": len(cards)})
    return None


def held(message: Message, consent_id: str) -> tuple[int, Consent]:
    """Return the place of a consent in an answer that has it, and how it stands there."""
    timeline = enumerate(message.timeline)
    return next((n, p) for n, p in timeline if isinstance(p, Consent) and p.id == consent_id)


def _part_of(card: ConsentCard, through: str) -> Consent:
    return Consent(
        id=str(card.id),
        state=card.state,
        agent=card.agent,
        provider=card.provider,
        scopes=tuple({"name": scope.name, "words": str(scope.words)} for scope in card.scopes),
        expires_at=card.expires_at.isoformat(),
        notice=str(card.notice),
        through=through,
    )


def _binding(run_id: UUID, consent_id: str) -> Binding:
    return Binding("redis:run", str(run_id), "consent_url", consent_id)
