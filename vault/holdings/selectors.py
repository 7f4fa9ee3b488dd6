"""What the site's pages show of the vault: names, words, times, and nothing that opens anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from core.subject import Subject
from vault.asked.scopes import ScopeInWords, in_words
from vault.errors import GrantUnknown
from vault.flows.errors import ConsentWithdrawn
from vault.flows.sessions import ended
from vault.grants.attention import Trouble, trouble_of
from vault.models import ConsentSession, Grant, ObtainedToken, Outcome
from vault.models.grants import Grants
from vault.models.obtained import ObtainedTokens
from vault.providers.endpoints import is_told_of_ends

CONNECTED, ATTENTION = "connected", "attention"
_SAID_OF = {
    Trouble.OVER: _(
        "{provider} has ended this access. Reconnect it, or wait until {agent} asks you again."
    ),
    Trouble.AWAY: _(
        "{provider} has not answered for a while. {agent} can use it again as soon as it does."
    ),
    Trouble.REFUSED: _(
        "{provider} refuses this site. {agent} can use it again once an administrator has seen to "
        "that."
    ),
}
_SHOWN_FOR, _SHOWN_AT_MOST = timedelta(days=30), 20
_WHAT_CAME_OF_IT = {
    Outcome.REVOKED_AT_PROVIDER: _("{provider} has confirmed that it is over there too."),
    Outcome.NO_ENDPOINT: _(
        "{provider} offers no way to be told. What was left there runs out by itself, or when you "
        "remove this site there."
    ),
    Outcome.PROVIDER_AWAY: _(
        "{provider} does not answer. It is told as soon as it does, for three days at most."
    ),
    Outcome.GIVEN_UP: _(
        "{provider} was not to be told in three days. Remove this site there to be sure that "
        "nothing is left."
    ),
    Outcome.UNREADABLE: _(
        "{provider} was not told, since the key to what was kept is lost. Remove this site there "
        "to be sure that nothing is left."
    ),
}

_CARD_STATES = {
    ConsentSession.Status.PENDING: "pending",
    ConsentSession.Status.AUTHORIZING: "pending",
    ConsentSession.Status.EXCHANGING: "completing",
    ConsentSession.Status.EXCHANGED: "completing",
    ConsentSession.Status.COMPLETED: "granted",
    ConsentSession.Status.DENIED: "denied",
    ConsentSession.Status.FAILED: "failed",
    ConsentSession.Status.EXPIRED: "expired",
}


@dataclass(frozen=True, slots=True)
class Connection:
    """One thing that an agent holds for a person, as they see it."""

    id: UUID
    provider: str
    agent: str
    scopes: list[ScopeInWords]
    asks_again: bool  # whether the agent needs the person's consent to get it again
    granted_at: datetime
    last_used_at: datetime | None
    last_used_session: str | None  # the agent's runtime session; empty: in none; None: not noted
    state: str
    can_reconnect: bool
    notice: StrOrPromise
    # Whether the provider takes word of a disconnection (None: not known now), and its own page.
    is_told: bool | None
    account_url: str


@dataclass(frozen=True, slots=True)
class EndedConnection:
    """One thing that an agent held for a person, and what came of it at the provider."""

    id: UUID
    provider: str
    agent: str
    ended_at: datetime
    by_person: bool  # rather than by an administrator
    outcome: str
    told: StrOrPromise
    account_url: str  # the provider's own page, where something may be left there


@dataclass(frozen=True, slots=True)
class ConsentCard:
    """A request for consent, as the person sees it in the chat. `url` only while it can be used."""

    id: UUID
    state: str
    agent: str
    provider: str
    scopes: list[ScopeInWords]
    url: str
    expires_at: datetime
    notice: StrOrPromise


def _held_by(subject: Subject) -> Grants:
    return Grant.objects.of(subject).held().with_parties()


def connections_of(subject: Subject) -> list[Connection]:
    """Return what agents hold for `subject`: granted, or exchanged for a token of theirs.

    The newest first.
    """
    now = timezone.now()
    granted = [_connection(grant, at=now) for grant in _held_by(subject)]
    exchanged = [_exchanged(rows) for rows in _exchanges_of(subject).values()]
    return sorted((*granted, *exchanged), key=lambda one: one.granted_at, reverse=True)


def ended_of(subject: Subject) -> list[EndedConnection]:
    """Return what has ended for `subject` in the last month, the newest first, and not too many."""
    ended = (
        Grant.objects.of(subject)
        .with_parties()
        .filter(revoked_at__gt=timezone.now() - _SHOWN_FOR)
        .order_by("-revoked_at")[:_SHOWN_AT_MOST]
    )
    return [_ended_connection(grant, grant.revoked_at) for grant in ended if grant.revoked_at]


def _ended_connection(grant: Grant, ended_at: datetime) -> EndedConnection:
    outcome = Outcome(grant.revocation_outcome)
    is_over_there = outcome == Outcome.REVOKED_AT_PROVIDER
    return EndedConnection(
        id=grant.pk,
        provider=grant.provider.display_name,
        agent=grant.agent_name,
        ended_at=ended_at,
        by_person=not grant.revoked_by,
        outcome=outcome.value,
        told=format_lazy(_WHAT_CAME_OF_IT[outcome], provider=grant.provider.display_name),
        account_url="" if is_over_there else grant.provider.account_page,
    )


def connection_of(subject: Subject, grant_id: UUID) -> Connection:
    """Return the connection `grant_id` of `subject`. Raises as `grant_of`."""
    found = grant_of(subject, grant_id)
    if isinstance(found, ObtainedToken):
        return _exchanged([found])
    return _connection(found, at=timezone.now())


def grant_of(subject: Subject, grant_id: UUID) -> Grant | ObtainedToken:
    """Return what `grant_id` of `subject` names. Raises GrantUnknown, also for another's."""
    granted = _held_by(subject).filter(pk=grant_id).first()
    found = granted or _exchanged_by(subject).filter(pk=grant_id).first()
    if found is None:
        raise GrantUnknown
    return found


def _exchanged_by(subject: Subject) -> ObtainedTokens:
    return ObtainedToken.objects.of(subject).with_parties().filter(access_sealed__isnull=False)


def _exchanges_of(subject: Subject) -> dict[tuple[int, UUID], list[ObtainedToken]]:
    """Return what stands for `subject` by exchange, by workload identity and provider."""
    found: dict[tuple[int, UUID], list[ObtainedToken]] = defaultdict(list)
    for row in _exchanged_by(subject).good().order_by("-obtained_at"):
        found[row.workload_identity_id, row.provider_id].append(row)
    return found


def said_of(grant: Grant, trouble: Trouble) -> StrOrPromise:
    """Return what `grant` suffers from, in words."""
    names = {"provider": grant.provider.display_name, "agent": grant.agent_name}
    return format_lazy(_SAID_OF[trouble], **names)


def _connection(grant: Grant, *, at: datetime) -> Connection:
    trouble = trouble_of(grant, at=at)
    return Connection(
        id=grant.pk,
        provider=grant.provider.display_name,
        agent=grant.agent_name,
        scopes=[
            *in_words(grant.scopes, grant.provider.scope_words),
            *_places([grant.resources, grant.audiences]),
        ],
        asks_again=True,
        granted_at=grant.granted_at,
        last_used_at=grant.last_used_at,
        last_used_session=None if grant.last_used_at is None else grant.last_used_session,
        state=CONNECTED if trouble is None else ATTENTION,
        can_reconnect=trouble == Trouble.OVER,
        notice="" if trouble is None else said_of(grant, trouble),
        is_told=is_told_of_ends(grant.provider),
        account_url=grant.provider.account_page,
    )


def _exchanged(rows: list[ObtainedToken]) -> Connection:
    """Return the tokens of one agent at one provider, the newest first, as one connection."""
    newest = rows[0]
    agent_name = newest.workload_identity.agent_name
    scopes = sorted({name for row in rows for name in row.scopes})
    used_at = [row.last_used_at for row in rows if row.last_used_at is not None]
    return Connection(
        id=newest.pk,
        provider=newest.provider.display_name,
        agent=agent_name,
        scopes=[
            *in_words(scopes, newest.provider.scope_words),
            *_places(row.resources + row.audiences for row in rows),
        ],
        asks_again=False,
        granted_at=newest.obtained_at or newest.created_at,
        last_used_at=max(used_at, default=None),
        last_used_session=None,
        state=CONNECTED,
        can_reconnect=False,
        notice=format_lazy(
            _(
                "{agent} got this in exchange for your sign-in, as an administrator allows: you "
                "were not asked. Disconnected, it can get it again when you next call {agent}."
            ),
            agent=agent_name,
        ),
        is_told=is_told_of_ends(newest.provider),
        account_url=newest.provider.account_page,
    )


def _places(named: Iterable[list[str]]) -> list[ScopeInWords]:
    """Return where tokens are to be used, where that was named, as a person reads it."""
    places = sorted({place for names in named for place in names})
    return [ScopeInWords(place, str(_("Use it at"))) for place in places]


def consent_card(session: ConsentSession) -> ConsentCard:
    """Return the card of `session` as it stands. It is for the person who was asked alone."""
    is_open = session.is_open(at=timezone.now())
    state = _CARD_STATES[ConsentSession.Status(session.status)]
    if not is_open and state in {"pending", "completing"}:
        state = "expired"
    refusal = ended(session) if state == "failed" else None
    if isinstance(refusal, ConsentWithdrawn):
        state = refusal.outcome
    return ConsentCard(
        id=session.pk,
        state=state,
        agent=session.agent_name,
        provider=session.provider.display_name,
        scopes=[
            *in_words(session.scopes, session.provider.scope_words),
            *_places([session.resources, session.audiences]),
        ],
        url=session.authorization_url() if state == "pending" else "",
        expires_at=session.expires_at,
        notice=refusal.notice if refusal is not None else "",
    )
