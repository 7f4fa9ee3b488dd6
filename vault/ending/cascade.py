"""Ending all access that something has, or that is had through it, here and at the providers.

Switching off alone takes access back at once and for as long as it stays off; the consent of people
is kept. Ending is for good: each grant is forgotten, and its provider told. It is ordered in one
transaction with the switch, and carried out in batches by workers, however many and however often
one is killed. Deleting ends, too, what belonged to what is deleted.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any, TypeVar

from django.db import DatabaseError, models, transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from agents import people, services
from agents.errors import WorkloadInUse
from agents.models import Agent, WorkloadIdentity
from core import audit
from core.audit import Actor
from core.errors import AppError
from core.models import User
from vault.ending import exchanges, revocations
from vault.models import (
    AccessEnding,
    CredentialProvider,
    Grant,
    ObtainedToken,
    Outcome,
    Revocation,
)
from vault.providers import services as providers

log = logging.getLogger(__name__)

# What one transaction ends without holding up anybody else.
MOST_GRANTS = 1000
_BATCH = 100
_LOOK_AGAIN_S = 30.0

_Row = TypeVar("_Row", Grant, ObtainedToken)
Ended = Agent | WorkloadIdentity | CredentialProvider | User


def access_end(*, of: Ended, actor: Actor) -> AccessEnding:
    """Switch off whatever it is, and order the end of all access that it has; return the order.

    Raises:
        OwnAccount: the actor's own account would be switched off.
        AuditUnavailable: nothing was changed.
    """
    with transaction.atomic():
        _switch_off(of, actor)
        return _order(of, actor)


def held_through(of: Ended) -> tuple[int, int]:
    """Return how many connections end with it, and how many tokens got without asking anybody."""
    whose = _whose(of)
    return _grants(Q(**whose)).count(), _obtained(Q(**whose)).count()


def workload_identity_end(*, identity: WorkloadIdentity, actor: Actor) -> None:
    """Delete the identity, its access keys, and what people granted it.

    Raises:
        WorkloadInUse: an agent acts under it, or too many people granted it something.
        AuditUnavailable: nothing was changed.
    """
    with transaction.atomic():
        # With the key: a grant that is stored meanwhile refers to this row, and has to wait.
        WorkloadIdentity.objects.select_for_update(of=("self",), no_key=False).get(pk=identity.pk)
        whose = Q(workload_identity=identity)
        if sum(held_through(identity)) > MOST_GRANTS:
            message = _("It holds more than %(most)d connections. End all its access first.")
            raise WorkloadInUse(message % {"most": MOST_GRANTS})
        for grant in _held(_grants(whose), most=MOST_GRANTS):
            revocations.grant_forget(grant=grant, actor=actor)
        for row in _held(_obtained(whose), most=MOST_GRANTS):
            exchanges.token_forget(row=row, actor=actor)
        Grant.objects.filter(whose).delete()
        services.workload_identity_delete(identity=identity, actor=actor)


def provider_end(*, provider: CredentialProvider, actor: Actor) -> AccessEnding | None:
    """Delete a provider; where somebody is connected, return the order that does so in time.

    A provider is told by its own client that access has ended. So it is switched off at once, and
    stays, being deleted, until it was told of each, or given up on.

    Raises:
        AuditUnavailable: nothing was changed.
    """
    with transaction.atomic():
        # With the key: a grant that is stored meanwhile refers to this row, and has to wait.
        CredentialProvider.objects.select_for_update(of=("self",), no_key=False).get(pk=provider.pk)
        if _is_held_at(provider):
            _switch_off(provider, actor)
            return _deletions(provider).first() or _order(provider, actor, deletes=True)
        _provider_delete(provider, actor)
        return None


def is_being_deleted(provider: CredentialProvider) -> bool:
    """Say whether `provider` is on its way out."""
    return _deletions(provider).exists()


def _deletions(provider: CredentialProvider) -> QuerySet[AccessEnding]:
    return AccessEnding.objects.filter(provider=provider, deletes=True, finished_at=None)


def _is_held_at(provider: CredentialProvider) -> bool:
    """Say whether anybody is connected, or the provider is still to be told of an end."""
    waiting = Revocation.objects.filter(provider=provider)
    return any(held_through(provider)) or waiting.exists()


def work_off(*, for_s: float) -> int:
    """Take steps of orders that are due, for so long, and return how many were taken.

    Each is a transaction of its own; workers that do this at once take different orders.
    """
    until = time.monotonic() + for_s
    taken = 0
    while time.monotonic() < until and _step():
        taken += 1
    return taken


def _step() -> bool:
    """Take the step that is due longest, and say whether there was one."""
    now = timezone.now()
    with transaction.atomic():
        ordered = (
            AccessEnding.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            .select_related("provider")
            .filter(finished_at=None, next_step_at__lte=now)
            .order_by("next_step_at")
            .first()
        )
        if ordered is None:
            return False
        try:
            with transaction.atomic():
                changes = _end_batch(ordered) or _look(ordered)
        except (AppError, DatabaseError) as exc:
            # KMS or the trail is away: nothing of this batch was done, and others come first.
            log.warning("vault.ending.put_off", extra={"reason": type(exc).__name__})
            changes = {"next_step_at": now + timedelta(seconds=_LOOK_AGAIN_S)}
        AccessEnding.objects.filter(pk=ordered.pk).update(**changes)
    return True


def _end_batch(ordered: AccessEnding) -> dict[str, Any]:
    """End some of what `ordered` names, and return what it changes; nothing once all has ended."""
    whose = _named(ordered)
    grants, tokens = _grants(whose), _obtained(whose)
    if not ordered.deletes:
        # What was granted or got after the order, somebody having switched on again, is not meant.
        grants = grants.filter(granted_at__lte=ordered.created_at)
        tokens = tokens.filter(obtained_at__lte=ordered.created_at)
    if ordered.reached:
        grants = grants.filter(pk__gt=ordered.reached)
    by = ordered.actor
    ended = _held(grants, most=_BATCH)
    queued = [revocations.grant_forget(grant=grant, actor=by) for grant in ended]
    if not ended:
        forgotten = _held(tokens, most=_BATCH)
        queued = [exchanges.token_forget(row=row, actor=by) for row in forgotten]
    if not queued:
        return {}
    # Nobody waits here for the first attempt: it is the task's, like all later ones.
    told = [row.pk for row in queued if row is not None]
    Revocation.objects.filter(pk__in=told).update(next_attempt_at=timezone.now())
    reached = ended[-1].pk if ended else ordered.reached
    return {"reached": reached, "ended": F("ended") + len(ended), "next_step_at": timezone.now()}


def _look(ordered: AccessEnding) -> dict[str, Any]:
    """Return what came of it so far; all being told, delete what is to be deleted, and finish."""
    now = timezone.now()
    ended = Grant.objects.filter(_named(ordered), revoked_at__gte=ordered.created_at)
    counted = ended.order_by().values_list("revocation_outcome").annotate(Count("pk"))
    outcomes: dict[str, int] = dict(counted)
    waiting = bool(outcomes.get(Outcome.PROVIDER_AWAY))
    if ordered.deletes and ordered.provider is not None and not waiting:
        waiting = not _deleted(ordered.provider, ordered.actor)
    if waiting:
        later = now + timedelta(seconds=_LOOK_AGAIN_S)
        # A deletion begins anew: whoever was about to be connected may be so by now.
        reached = None if ordered.deletes else ordered.reached
        return {"outcomes": outcomes, "reached": reached, "next_step_at": later}
    return {"outcomes": outcomes, "finished_at": now, "next_step_at": None}


def _deleted(provider: CredentialProvider, actor: Actor) -> bool:
    """Delete `provider` unless something is left to tell it; say whether it is gone."""
    held = CredentialProvider.objects.select_for_update(of=("self",), no_key=False)
    held.get(pk=provider.pk)
    _switch_off(provider, actor)
    if _is_held_at(provider):
        return False
    _provider_delete(provider, actor)
    return True


def _provider_delete(provider: CredentialProvider, actor: Actor) -> None:
    Grant.objects.filter(provider=provider).delete()
    providers.provider_delete(provider=provider, actor=actor)


def _switch_off(of: Ended, actor: Actor) -> None:
    if isinstance(of, Agent):
        services.agent_switch(agent=of, enabled=False, actor=actor)
    elif isinstance(of, WorkloadIdentity):
        services.workload_identity_switch(identity=of, enabled=False, actor=actor)
    elif isinstance(of, CredentialProvider):
        providers.provider_switch_off(provider=of, actor=actor)
    else:
        people.person_switch(person=of, active=False, actor=actor)


def _order(of: Ended, actor: Actor, *, deletes: bool = False) -> AccessEnding:
    by = {"iss": actor.subject.iss, "sub": actor.subject.sub} if actor.subject else {}
    ordered = AccessEnding.objects.create(
        kind=_KINDS[type(of)],
        name=str(of)[:255],
        **_whose(of),
        deletes=deletes,
        ordered_by=actor.name[:255],
        **{f"ordered_by_{name}": value for name, value in by.items()},
        total=held_through(of)[0],
    )
    audit.record(
        audit.Event(
            "vault.access.ended",
            actor=actor.name,
            subject=actor.subject,
            detail={"of": ordered.kind, "name": ordered.name, "connections": ordered.total},
        )
    )
    return ordered


_KINDS: dict[type[models.Model], AccessEnding.Kind] = {
    Agent: AccessEnding.Kind.WORKLOAD,
    WorkloadIdentity: AccessEnding.Kind.WORKLOAD,
    CredentialProvider: AccessEnding.Kind.PROVIDER,
    User: AccessEnding.Kind.PERSON,
}


def _whose(of: Ended) -> dict[str, Any]:
    """Return the columns of the rows that end with it, which are also those of its order."""
    if isinstance(of, Agent):
        return {"workload_identity": of.workload_identity}
    if isinstance(of, WorkloadIdentity):
        return {"workload_identity": of}
    if isinstance(of, CredentialProvider):
        return {"provider": of}
    return {"user_iss": of.iss, "user_sub": of.sub}


def _named(ordered: AccessEnding) -> Q:
    """Return what `ordered` is about; nothing where that is gone."""
    if ordered.kind == AccessEnding.Kind.PERSON:
        return Q(user_iss=ordered.user_iss, user_sub=ordered.user_sub)
    if ordered.kind == AccessEnding.Kind.PROVIDER:
        return Q(provider=ordered.provider_id)
    return Q(workload_identity=ordered.workload_identity_id)


def _grants(whose: Q) -> QuerySet[Grant]:
    return Grant.objects.held().filter(whose)


def _obtained(whose: Q) -> QuerySet[ObtainedToken]:
    return ObtainedToken.objects.good().filter(whose)


def _held(rows: QuerySet[_Row], *, most: int) -> list[_Row]:
    """Return some of `rows` by key, each held until the transaction ends."""
    parties = rows.select_related("workload_identity__agent", "provider").order_by("pk")
    return list(parties.select_for_update(of=("self",), no_key=True)[:most])
