"""What of a grant's life is told, and in which words. Never a token, and no provider's own words.

A grant that fails is told of when it begins to fail, when it is over, and when it works again: not
at each attempt.
"""

from __future__ import annotations

from core.audit import Actor
from core.oauth import GrantRejected
from core.refreshing import Lapsed, Settled
from vault.models import EventType, Grant, Outcome
from vault.webhooks.outbox import Happened

BY_PERSON, BY_ADMINISTRATOR, BY_PROVIDER = "person", "administrator", "provider"
# Besides the values of `Outcome`.
PENDING = "pending"
REFUSED_BY_PROVIDER = "refused_by_provider"


def of_consent(grant: Grant, *, again: bool) -> Happened:
    """Return that a person connected; `again`: over a grant that there was."""
    return Happened(EventType.GRANTED, grant, {"again": again})


def of_revocation(grant: Grant, *, actor: Actor, outcome: Outcome | None) -> Happened:
    """Return that access was taken back; without `outcome` the provider is still to be told."""
    by = BY_PERSON if actor.subject == grant.subject else BY_ADMINISTRATOR
    return Happened(EventType.REVOKED, grant, {"by": by, "outcome": outcome or PENDING})


def of_settlement(grant: Grant, *, outcome: Outcome) -> Happened:
    """Return what came of a pending revocation at the provider."""
    return Happened(EventType.REVOCATION_SETTLED, grant, {"outcome": outcome})


def of_refresh(settled: Settled[Grant]) -> list[Happened]:
    """Return what is told of one refresh: mostly nothing."""
    grant, before = settled.row, settled.failures_before
    if before is None:
        return []
    if settled.failure is None:
        return [Happened(EventType.RECOVERED, grant, {"failures": before})] if before else []
    final = isinstance(settled.failure, Lapsed)
    if before and not final:
        return []
    failed = {"reason": grant.last_failure, "final": final}
    told = [Happened(EventType.REFRESH_FAILED, grant, failed)]
    if final and grant.last_failure == GrantRejected.code:
        over = {"by": BY_PROVIDER, "outcome": REFUSED_BY_PROVIDER}
        told.append(Happened(EventType.REVOKED, grant, over))
    return told
