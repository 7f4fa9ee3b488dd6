"""Taking back what an agent got in exchange for a person's sign-in."""

from __future__ import annotations

from django.db import transaction

from core import audit
from core.audit import Actor
from vault import revocations
from vault.models import ObtainedToken, Outcome
from vault.revocations import Revoked

_FROM_GOOD_TO_BAD = (Outcome.REVOKED_AT_PROVIDER, Outcome.NO_ENDPOINT, Outcome.PROVIDER_AWAY)


def exchanges_forget(*, row: ObtainedToken, actor: Actor) -> Revoked:
    """Forget all that the workload identity of `row` got there for its person, and end it there.

    `actor` is who takes it back. Nothing keeps the agent from exchanging a next token of the
    person's: who may is an admin's rule.

    Raises:
        AuditUnavailable: nothing was changed.
    """
    provider, workload = row.provider, row.workload_identity
    with transaction.atomic():
        held = ObtainedToken.objects.select_for_update(of=("self",)).filter(
            workload_identity=workload, provider=provider, user_iss=row.user_iss,
            user_sub=row.user_sub,
        )  # fmt: skip
        queued = [
            revocations.queue(one, one.access_token(), None)
            for one in held.select_related("provider", "workload_identity")
            if one.access_sealed is not None
        ]
        by = actor.subject or row.subject
        audit.record(
            audit.Event(
                "vault.grant.revoked",
                actor=actor.name,
                subject=row.subject,
                agent=workload.agent_id,
                workload=workload.name,
                provider=provider.name,
                detail={"exchanged": len(queued), "by": [by.iss, by.sub]},
            )
        )
        ObtainedToken.objects.filter(pk__in=[one.pk for one in held]).delete()
    outcomes = {revocations.attempt(one) for one in queued} or {Outcome.NO_ENDPOINT}
    worst = max(outcomes, key=_FROM_GOOD_TO_BAD.index)
    return Revoked(worst, provider.display_name, provider.account_url)
