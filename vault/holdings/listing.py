"""What workload identities hold, as the site's API lists it: names, words, times, and no token.

A holding is a grant of a person's, or a token that was got without asking one: in exchange for a
person's token, or with client credentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from core.subject import Subject
from vault.asked.scopes import ScopeInWords, in_words
from vault.errors import GrantUnknown
from vault.grants.attention import trouble_of
from vault.holdings.selectors import said_of
from vault.models import Grant, ObtainedToken, Outcome

Row = Grant | ObtainedToken

GRANTED, EXCHANGED, OWN = "granted", "exchanged", "own"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which holdings are meant. What is empty leaves them all; no state, all that are not over."""

    subject: Subject | None = None
    agent: str = ""
    workload_identity: str = ""
    provider: str = ""
    state: str = ""

    def named(self) -> Q:
        """Return whose they are, which either table can be asked."""
        asked = {
            "user_iss": self.subject and self.subject.iss,
            "user_sub": self.subject and self.subject.sub,
            "workload_identity__agent__agent_id": self.agent,
            "workload_identity__name": self.workload_identity,
            "provider__name": self.provider,
        }
        return Q(**{column: value for column, value in asked.items() if value})


@dataclass(frozen=True, slots=True)
class Attention:
    """Why somebody has to look at a holding; `last_failure` is the reason as the trail has it."""

    code: str
    message: str
    last_failure: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a holding ended; `by` is `person` or `administrator`."""

    at: datetime
    by: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Holding:
    """One holding. `user` is nobody where the access is the workload identity's own."""

    id: UUID
    kind: str
    user: Subject | None
    agent: str
    agent_name: str
    workload_identity: str
    provider: str
    provider_name: str
    vendor: str
    scopes: list[ScopeInWords]
    resources: list[str]
    audiences: list[str]
    state: str
    attention: Attention | None
    granted_at: datetime
    last_used_at: datetime | None
    access_expires_at: datetime | None
    next_refresh_at: datetime | None
    ending: Ending | None


def page(filters: Filters, *, after: UUID | None, limit: int) -> tuple[list[Holding], UUID | None]:
    """Return the next holdings in the order of their ids, and the id to go on after, if any.

    An id never changes, and a time does with every consent: nothing is missed or seen twice.
    """
    where = filters.named() & (Q(pk__gt=after) if after else Q())
    rows: list[Row] = list(grants(where, state=filters.state).order_by("pk")[: limit + 1])
    if filters.state in {"", Grant.State.LIVE}:
        rows += obtained(where).order_by("pk")[: limit + 1]
    rows.sort(key=lambda row: row.pk)
    now = timezone.now()
    found = [_granted(row, now) if isinstance(row, Grant) else _got(row) for row in rows[:limit]]
    return found, found[-1].id if len(rows) > limit else None


def of_id(holding_id: UUID) -> Row:
    """Return what can be taken back by this id, whosever it is. Raises GrantUnknown."""
    where = Q(pk=holding_id)
    found = grants(where).first() or obtained(where).first()
    if found is None:
        raise GrantUnknown
    return found


def grants(where: Q, *, state: str = "") -> QuerySet[Grant]:
    """Return the grants in `state`; in none, those that are not over."""
    rows = Grant.objects.with_parties().filter(where)
    return rows.filter(state=state) if state else rows.held()


def obtained(where: Q) -> QuerySet[ObtainedToken]:
    """Return the tokens that are good still."""
    return ObtainedToken.objects.good().with_parties().filter(where)


def _granted(grant: Grant, at: datetime) -> Holding:
    ending = None
    if grant.revoked_at is not None:
        by = "administrator" if grant.revoked_by else "person"
        ending = Ending(grant.revoked_at, by, Outcome(grant.revocation_outcome).value)
    return Holding(
        id=grant.pk,
        kind=GRANTED,
        user=grant.subject,
        agent=grant.workload_identity.agent_id,
        agent_name=grant.agent_name,
        workload_identity=grant.workload_identity.name,
        provider=grant.provider.name,
        provider_name=grant.provider.display_name,
        vendor=grant.provider.vendor,
        scopes=in_words(grant.scopes, grant.provider.scope_words),
        resources=grant.resources,
        audiences=grant.audiences,
        state=grant.state,
        attention=_attention(grant, at),
        granted_at=grant.granted_at,
        last_used_at=grant.last_used_at,
        access_expires_at=grant.access_expires_at,
        next_refresh_at=grant.next_refresh_at,
        ending=ending,
    )


def _attention(grant: Grant, at: datetime) -> Attention | None:
    if grant.state == Grant.State.REVOKED:
        return None
    trouble = trouble_of(grant, at=at)
    if trouble is None:
        return None
    return Attention(trouble.value, str(said_of(grant, trouble)), grant.last_failure)


def _got(row: ObtainedToken) -> Holding:
    is_own = row.subject == Subject.of_workload(row.workload_identity.name)
    return Holding(
        id=row.pk,
        kind=OWN if is_own else EXCHANGED,
        user=None if is_own else row.subject,
        agent=row.workload_identity.agent_id,
        agent_name=row.workload_identity.agent_name,
        workload_identity=row.workload_identity.name,
        provider=row.provider.name,
        provider_name=row.provider.display_name,
        vendor=row.provider.vendor,
        scopes=in_words(row.scopes, row.provider.scope_words),
        resources=row.resources,
        audiences=row.audiences,
        state=Grant.State.LIVE.value,
        attention=None,
        granted_at=row.obtained_at or row.created_at,
        last_used_at=row.last_used_at,
        access_expires_at=row.expires_at,
        next_refresh_at=None,
        ending=None,
    )
