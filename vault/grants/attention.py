"""Connections that a person, or an admin, has to see to, told before a chat fails over them.

What a person does not want to be told again is remembered with the generation of the tokens: once
there are new ones, the next trouble is told again, and nothing has to be cleared.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from core.oauth import Misconfigured
from core.subject import Subject
from vault.errors import GrantUnknown
from vault.models import Grant


class Trouble(StrEnum):
    """Why a connection cannot be used now."""

    OVER = "over"  # only the person can renew it
    AWAY = "away"  # the provider does not answer, and the last token has run out
    REFUSED = "refused"  # the provider refuses this site; an admin has to see to it


@dataclass(frozen=True, slots=True)
class Attention:
    """A connection in trouble, by the names that a person knows."""

    id: UUID
    provider: str
    agent: str
    trouble: Trouble


def trouble_of(grant: Grant, *, at: datetime) -> Trouble | None:
    """Return why `grant`, which is not revoked, cannot be used; None: it can."""
    if grant.state == Grant.State.LIVE and grant.is_fresh(at=at, leeway_s=0.0):
        return None
    if grant.state != Grant.State.LIVE or grant.refresh_sealed is None:
        return Trouble.OVER
    if not grant.failures:
        return None  # refreshed when it is next used
    return Trouble.REFUSED if grant.last_failure == Misconfigured.code else Trouble.AWAY


def attention_of(subject: Subject) -> list[Attention]:
    """Return what `subject` should be told of: in trouble, still wanted, and not yet dismissed."""
    grants = (
        Grant.objects.of(subject)
        .held()
        .with_parties()
        .filter(provider__enabled=True, workload_identity__enabled=True)
        .exclude(workload_identity__agent__enabled=False)
        .exclude(dismissed_generation=F("generation"))
        .order_by("granted_at")
    )
    now = timezone.now()
    found = [(grant, trouble_of(grant, at=now)) for grant in grants]
    return [
        Attention(grant.pk, grant.provider.display_name, grant.agent_name, trouble)
        for grant, trouble in found
        if trouble is not None
    ]


def attention_dismiss(*, subject: Subject, grant_id: UUID) -> None:
    """Tell `subject` no more of this trouble. Raises GrantUnknown, also for another's."""
    held = Grant.objects.of(subject).held()
    if not held.filter(pk=grant_id).update(dismissed_generation=F("generation")):
        raise GrantUnknown
