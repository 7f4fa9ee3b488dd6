"""Taking back what an agent got in exchange for a person's sign-in."""

from __future__ import annotations

from contextlib import suppress

from django.db import transaction

from core import audit
from core.audit import Actor
from core.errors import AppError
from vault.ending import revocations
from vault.ending.revocations import Revoked
from vault.models import ObtainedToken, Outcome, Revocation

_FROM_GOOD_TO_BAD = (
    *(Outcome.REVOKED_AT_PROVIDER, Outcome.NO_ENDPOINT),
    *(Outcome.PROVIDER_AWAY, Outcome.UNREADABLE),
)


def token_forget(
    *, row: ObtainedToken, actor: Actor, lost: tuple[type[AppError], ...] = revocations.LOST
) -> Revocation | None:
    """Forget one token, on record, and return what is left to tell the provider.

    `lost` are the errors that mean that it will never open again. Runs in the transaction in which
    the caller holds the row.

    Raises:
        KeyUnavailable: it does not open now. The caller's transaction takes the record back.
    """
    audit.record(revocations.taken_back(row, actor, exchanged=1))
    queued = _queued(row, lost)
    row.delete()
    return queued


def _queued(row: ObtainedToken, lost: tuple[type[AppError], ...]) -> Revocation | None:
    with suppress(*lost):
        return revocations.queue(row, row.access_token(), None)
    return None


def exchanges_forget(*, row: ObtainedToken, actor: Actor) -> Revoked:
    """Forget all that the workload identity of `row` got there for its person, and end it there.

    `actor` is who takes it back. Nothing keeps the agent from exchanging a next token of the
    person's: who may is an admin's rule.

    Raises:
        AuditUnavailable, KeyUnavailable: nothing was changed.
    """
    provider, workload = row.provider, row.workload_identity
    with transaction.atomic():
        alike = {"user_iss": row.user_iss, "user_sub": row.user_sub, "provider": provider}
        held = list(
            ObtainedToken.objects.select_for_update(of=("self",), no_key=True)
            .select_related("provider", "workload_identity")
            .filter(workload_identity=workload, access_sealed__isnull=False, **alike)
        )
        queued = [_queued(one, revocations.LOST) for one in held]
        audit.record(revocations.taken_back(row, actor, exchanged=len(held)))
        ObtainedToken.objects.filter(pk__in=[one.pk for one in held]).delete()
    outcomes = {Outcome.UNREADABLE if one is None else revocations.attempt(one) for one in queued}
    outcomes = outcomes or {Outcome.NO_ENDPOINT}
    worst = max(outcomes, key=_FROM_GOOD_TO_BAD.index)
    return Revoked(worst, provider.display_name, provider.account_page)
