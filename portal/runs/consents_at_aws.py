"""The consent card for what AWS's identity service asks: shown when the link comes in the answer.

This site holds the record of whose chat the link stood in. What was granted AWS holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from agents.aws import consents, places
from agents.aws.consents import Link
from agents.models import Agent
from core import audit, database
from core.crypto import seal
from core.secret import Secret
from portal.errors import RunOver
from portal.models import ConsentAtAws, Run
from portal.runs import consent, stream
from portal.timeline import Consent
from vault.flows.authorization import hashed

_State = ConsentAtAws.State
# To ask AWS takes less. Whoever asked is gone.
_COMPLETING_FOR = timedelta(seconds=90)
_LOOK_EVERY_S = 5.0
_BATCH = 200
# Only what comes from here on.
_NEWS = "$"


@dataclass(frozen=True, slots=True)
class AtAws:
    """Where the agent of a conversation runs at AWS, and how it is called there."""

    host: str  # of the identity service; empty: AWS has none there
    region: str
    called_with: str


def at_aws(agent: Agent) -> AtAws | None:
    """Return where the newest version of an agent runs at AWS; None: it runs elsewhere."""
    version = agent.versions.order_by("-number").first()
    place = places.place_at(version.url) if version else None
    if version is None or place is None:
        return None
    return AtAws(consents.host_of(place), place.region, version.called_with)


def consent_ask(run_id: UUID, link: Link, *, at: AtAws, token: Secret) -> bool:
    """Show the card for a link that stands in the answer of a run; say whether it stands there.

    A link has one card. One that stood in another answer, be it of somebody else, gets none.
    `token` is the person's, with which the agent was called.

    Raises:
        RunOver: nobody waits for the answer any more.
        AuditUnavailable: it cannot be put on record; there is no card.
    """
    with transaction.atomic():
        run = _locked(run_id)
        if run.status != Run.Status.RUNNING:
            raise RunOver
        asked = ConsentAtAws(
            run=run,
            session_uri_hash=hashed(link.session_uri),
            region=at.region,
            called_with=at.called_with,
            expires_at=timezone.now() + timedelta(seconds=consents.VALID_S),
        )
        if at.called_with == places.BEARER:
            asked.token_sealed = seal(token, bound_to=asked.binding("token_sealed"))
        ConsentAtAws.objects.bulk_create([asked], ignore_conflicts=True)
        known = ConsentAtAws.objects.get(session_uri_hash=asked.session_uri_hash)
        if known.pk != asked.pk:
            return known.run_id == run.pk
        part = _part_of(asked, host=link.host)
        index = consent.put(run_id, part)
        if index is None:
            asked.delete()
            return False
        audit.record(event_of(asked, "agent.consent_at_aws.asked"))
    consent.tell(run_id, index, part, url=link.url)
    return True


def event_of(asked: ConsentAtAws, action: str) -> audit.Event:
    """Return what is put on record of a consent at AWS."""
    return audit.Event(
        action,
        subject=asked.owner,
        agent=asked.run.conversation.agent.agent_id,
        detail={"consent": str(asked.pk), "run": str(asked.run_id), "region": asked.region},
    )


def consent_move(asked: ConsentAtAws, *, was: str, to: str, session_uri: str = "") -> bool:
    """Let a consent that `was` in a state be in another; say whether it was this call's doing.

    Its card says so with it: a run that ends at this very moment finds both as they were, or both
    as they are. Locks the run, then the consent. `session_uri`: the card's link can be used again,
    unless the run is over meanwhile: then nobody waits for it, and it is closed.
    """
    with transaction.atomic():
        run = _locked(asked.run_id)
        if to == _State.PENDING and not run.is_active:
            to, session_uri = _State.CLOSED, ""
        changed: dict[str, Any] = {"state": to, "changed_at": timezone.now()}
        if to not in ConsentAtAws.OPEN:
            changed["token_sealed"] = None
        if not ConsentAtAws.objects.filter(pk=asked.pk, state=was).update(**changed):
            return False
        asked.state = to
        _index, before = consent.held(run.answer, str(asked.pk))
        part = replace(before, state=to)
        index = consent.put(run.pk, part)
        if index is not None:
            url = Link(part.host, session_uri).url if session_uri else ""
            transaction.on_commit(partial(consent.tell, run.pk, index, part, url=url))
    return True


def expire_due(*, at: datetime) -> None:
    """End what nobody has answered in time, and what was being completed by who is gone."""
    gone = Q(state=_State.COMPLETING, changed_at__lte=at - _COMPLETING_FOR)
    due = ConsentAtAws.objects.filter(Q(state=_State.PENDING, expires_at__lte=at) | gone)
    for asked in due.order_by("expires_at")[:_BATCH]:
        to = _State.EXPIRED if asked.state == _State.PENDING else _State.FAILED
        consent_move(asked, was=asked.state, to=to)


def close_all(run: Run) -> None:
    """Let nobody complete what was asked in a run that is over. Its cards are the caller's."""
    waiting = ConsentAtAws.objects.filter(run=run, state=_State.PENDING)
    waiting.update(state=_State.CLOSED, changed_at=timezone.now(), token_sealed=None)


async def all_settled(run_id: UUID) -> bool:
    """Wait until nothing is asked in a run any more; say whether something was granted meanwhile.

    The agent has said all that it says: it may be asked again then. What was being completed when
    it had said all it may have answered with already, so that does not count.

    Raises:
        redis.RedisError: the news cannot be waited for.
    """
    still = await database.on_thread(_open_in, run_id)
    unanswered = [pk for pk, state in still.items() if state == _State.PENDING]
    while still:
        # Whatever happens in the run: a card that settles is told there.
        await stream.read(run_id, after=_NEWS, wait_s=_LOOK_EVERY_S)
        still = await database.on_thread(_open_in, run_id)
    return bool(unanswered) and await database.on_thread(_is_any_granted, unanswered)


def _open_in(run_id: UUID) -> dict[UUID, str]:
    """Return what is asked still in a run; what is due is ended here, too, and not by Celery alone.

    A run must not wait for a worker that is away.
    """
    expire_due(at=timezone.now())
    rows = ConsentAtAws.objects.filter(run=run_id, state__in=ConsentAtAws.OPEN)
    return dict(rows.values_list("pk", "state"))


def _is_any_granted(ids: list[UUID]) -> bool:
    return ConsentAtAws.objects.filter(pk__in=ids, state=_State.GRANTED).exists()


def _locked(run_id: UUID) -> Run:
    runs = Run.objects.select_related("answer", "conversation__agent", "conversation__user")
    return runs.select_for_update(of=("self",), no_key=True).get(pk=run_id)


def _part_of(asked: ConsentAtAws, *, host: str) -> Consent:
    with translation.override(asked.run.language):
        service = _("a service")
    return Consent(
        id=str(asked.pk),
        state=asked.state,
        agent=asked.run.conversation.agent.display_name,
        provider=service,
        scopes=(),
        expires_at=asked.expires_at.isoformat(),
        host=host,
    )
