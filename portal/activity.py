"""What a person's agents did on their behalf, as the person reads it in the audit trail.

The trail is the admins' too, and knows more than is told here: of each event, only whose names,
scopes and outcome it has, and of events only those of the kinds below. Addresses, clients, and who
else had a part in it stay there; so does upkeep, such as refreshes, in which nobody acts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from agents.selectors import names_of
from core.audit_words import in_words
from core.models import AuditEvent
from core.subject import Subject
from portal.errors import PageNotFound
from vault.asked import scopes
from vault.models import CredentialProvider

PAGE = 50
# What can be chosen is what occurred lately: the whole of somebody's past may be long.
_LATELY = 2000
_AT_ONCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of events: what it is called, and its actions."""

    words: StrOrPromise
    actions: tuple[str, ...]


KINDS = {
    "signins": Kind(
        _("Sign-ins"),
        (
            *("person.signed_in", "person.signed_in_again", "person.signed_out"),
            *("person.signin.abandoned", "person.signin.ended_by_admin"),
            *("person.signin.ended_by_provider", "person.signin.ended_elsewhere"),
            *("person.signin.lapsed", "person.signin.refused", "person.signin.replaced"),
        ),
    ),
    "calls": Kind(
        _("Calls to agents"),
        (
            *("agent.invocation", "agent.session.stopped", "agent.session.stopped_at_aws"),
            *("agent.approval.answered", "agent.approval.approved", "agent.approval.asked"),
            *("agent.approval.declined", "agent.approval.lapsed"),
            *("run.failed", "workload.token.issued"),
        ),
    ),
    "tokens": Kind(
        _("Tokens and keys"),
        (
            *("vault.api_key.refused", "vault.api_key.released", "vault.token.obtained"),
            *("vault.token.refused", "vault.token.released"),
        ),
    ),
    "consents": Kind(
        _("Consents"),
        (
            *("agent.consent_at_aws", "agent.consent_at_aws.asked", "vault.consent.begun"),
            *("vault.consent.completed", "vault.consent.denied", "vault.consent.expired"),
            *("vault.consent.failed", "vault.consent.refused"),
        ),
    ),
    "data": Kind(_("Your data"), ("person.data.downloaded",)),
    "ends": Kind(_("Disconnections"), ("vault.grant.revoked", "vault.revocation")),
}
ACTIONS = frozenset(action for kind in KINDS.values() for action in kind.actions)
# Of which one use of an agent may make several, one after the other.
_CALLS = frozenset({*KINDS["calls"].actions, *KINDS["tokens"].actions})
# What went as it was meant to.
_SENTENCES: dict[str, StrOrPromise] = {
    "agent.approval.answered": _("You answered what {agent} asked"),
    "agent.approval.approved": _("You approved what {agent} asked for"),
    "agent.approval.asked": _("{agent} asked for your approval"),
    "agent.approval.declined": _("You declined what {agent} asked for"),
    "agent.consent_at_aws": _("You let {agent} use a service at AWS"),
    "agent.consent_at_aws.asked": _("{agent} asked for your consent at AWS"),
    "agent.invocation": _("{agent} was called on your behalf"),
    "agent.session.stopped": _("A session with {agent} was stopped"),
    "agent.session.stopped_at_aws": _("A session with {agent} was stopped at AWS"),
    "person.data.downloaded": _("You downloaded your data"),
    "person.signed_in": _("You signed in"),
    "person.signed_in_again": _("You signed in again, before something dangerous"),
    "person.signed_out": _("You signed out"),
    "person.signin.abandoned": _("A sign-in that was not used any more ended"),
    "person.signin.ended_by_provider": _("You signed out at your identity provider, and so here"),
    "person.signin.ended_elsewhere": _("You ended a sign-in from another browser"),
    "person.signin.lapsed": _("Your identity provider ended your sign-in"),
    "person.signin.replaced": _("You signed in anew in the same browser"),
    "vault.api_key.released": _("{agent} got this site's key for {provider}"),
    "vault.consent.begun": _("{agent} asked for your consent at {provider}"),
    "vault.consent.completed": _("You let {agent} use {provider}"),
    "vault.consent.denied": _("You did not let {agent} use {provider}"),
    "vault.grant.revoked": _("You disconnected {provider} from {agent}"),
    "vault.revocation": _("{provider} was told to end the access of {agent}"),
    "vault.token.obtained": _("{agent} got a token for {provider}, since you are signed in"),
    "vault.token.released": _("{agent} got a token for {provider}"),
    "workload.token.issued": _("{agent} got proof that it acts for you"),
}
# What did not.
_OTHERWISE: dict[str, StrOrPromise] = {
    "agent.approval.lapsed": _("You did not answer {agent} in time"),
    "agent.consent_at_aws": _("{agent} was not connected at AWS"),
    "agent.consent_at_aws.asked": _("{agent} could not ask for your consent at AWS"),
    "agent.invocation": _("A call to {agent} on your behalf did not go through"),
    "agent.session.stopped_at_aws": _("A session with {agent} could not be stopped at AWS"),
    "person.signed_in_again": _("You were to sign in again, and that did not work"),
    "person.signin.refused": _("A sign-in did not work"),
    "run.failed": _("An answer of {agent} failed"),
    "vault.api_key.refused": _("{agent} got no key for {provider}"),
    "vault.consent.expired": _("You did not answer in time whether {agent} may use {provider}"),
    "vault.consent.failed": _("{agent} was not connected to {provider}"),
    "vault.consent.refused": _("An answer to what {agent} asked you was not taken"),
    "vault.revocation": _("{provider} could not be told to end the access of {agent}"),
    "vault.token.obtained": _("{agent} got no token for {provider}"),
    "vault.token.refused": _("{agent} got no token for {provider}"),
    "workload.token.issued": _("{agent} got no proof that it acts for you"),
}
# Which of these are the person's own doing.
_LEFT = frozenset({"agent.approval.lapsed", "vault.consent.expired"})
_BY_AN_ADMIN: dict[str, StrOrPromise] = {
    "person.signin.ended_by_admin": _("An administrator signed you out"),
    "vault.grant.revoked": _("An administrator disconnected {provider} from {agent}"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which events are meant. What is empty leaves them all; `before` is where the last page ended.

    A kind or a place that there is none of is PageNotFound's.
    """

    agent: str = ""
    provider: str = ""
    kind: str = ""
    before: str = ""

    def among(self, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Return those of `events` that are meant. Raises PageNotFound."""
        if self.kind and self.kind not in KINDS:
            raise PageNotFound
        found = events.filter(action__in=KINDS[self.kind].actions) if self.kind else events
        if self.agent:
            found = found.filter(agent=self.agent)
        if self.provider:
            found = found.filter(provider=self.provider)
        return found.filter(_older_than(self.before)) if self.before else found


@dataclass(frozen=True, slots=True)
class Deed:
    """One event, or the same one `times` over, of which this is the last.

    `through` are the agents by way of which the agent was called, in their order.
    """

    at: datetime
    action: str
    what: StrOrPromise
    outcome: str
    agent: str
    provider: str
    scopes: list[scopes.ScopeInWords]
    through: list[str]
    times: int = 1

    @property
    def trouble(self) -> str:
        """Return the outcome of what went wrong, unless the person left it undone themselves."""
        return "" if _went_well(self) or self.action in _LEFT else self.outcome

    def repeats(self, later: Deed) -> bool:
        """Say whether it is what `later` is, not long before it."""
        alike = replace(self, at=later.at, times=later.times, what=later.what) == later
        if not alike or str(self.what) != str(later.what) or self.action not in _CALLS:
            return False
        return later.at - self.at < _AT_ONCE


@dataclass(frozen=True, slots=True)
class Choices:
    """What the page can be narrowed to: pairs of a value and what it is called."""

    agents: list[tuple[str, str]]
    providers: list[tuple[str, str]]
    kinds: list[tuple[str, StrOrPromise]]


def events_of(subject: Subject) -> QuerySet[AuditEvent]:
    """Return the events that `subject` may read, which are their own: the newest first.

    The index `core_audit_by_subject` serves it in this order, from any place on.
    """
    own = AuditEvent.objects.filter(subject_sub=subject.sub, subject_iss=subject.iss)
    return own.filter(action__in=ACTIONS).order_by("-at", "-pk")


def page(subject: Subject, asked: Asked) -> tuple[list[Deed], str]:
    """Return the next events that `asked` means, and where the page after them begins, if any.

    A place is a moment and an id: what happens meanwhile makes nobody miss one or see one twice.

    Raises:
        PageNotFound: there is no such kind, or the place is none.
    """
    found = list(asked.among(events_of(subject))[: PAGE + 1])
    shown = found[:PAGE]
    further = f"{shown[-1].at.isoformat()}~{shown[-1].pk}" if len(found) > PAGE else ""
    return list(_together(deeds(shown, subject=subject))), further


def choices(subject: Subject) -> Choices:
    """Return what occurred lately in what `subject` may read."""
    lately = set(events_of(subject).values_list("agent", "provider")[:_LATELY])
    agents = {agent for agent, _provider in lately} - {""}
    providers = {provider for _agent, provider in lately} - {""}
    called, reached = names_of(agents), _providers(providers)
    return Choices(
        agents=sorted(((one, called.get(one, one)) for one in agents), key=_by_name),
        providers=sorted(((one, _name(reached, one)) for one in providers), key=_by_name),
        kinds=[(name, kind.words) for name, kind in KINDS.items()],
    )


def deeds(events: Iterable[AuditEvent], *, subject: Subject) -> Iterator[Deed]:
    """Yield `events`, all of which are of `subject`, as a person reads them. Names are today's."""
    events = list(events)
    called = names_of(
        {name for one in events for name in (one.agent, one.workload, *_chain(one)) if name}
    )
    reached = _providers({one.provider for one in events if one.provider})
    for event in events:
        agent = event.agent or event.workload
        provider = reached.get(event.provider)
        names = {"agent": called.get(agent, agent), "provider": _name(reached, event.provider)}
        yield Deed(
            at=event.at,
            action=event.action,
            what=_said(event, subject, names),
            outcome=event.outcome,
            agent=names["agent"],
            provider=names["provider"],
            scopes=scopes.in_words(
                event.detail.get("scopes") or [], provider.scope_words if provider else {}
            ),
            through=[called.get(name, name) for name in reversed(_chain(event))],
        )


def _together(told: Iterable[Deed]) -> Iterator[Deed]:
    """Yield each deed once where it stands several times in a row; the newest come first."""
    last: Deed | None = None
    for deed in told:
        if last is not None and deed.repeats(last):
            last = replace(last, times=last.times + 1)
            continue
        if last is not None:
            yield last
        last = deed
    if last is not None:
        yield last


def _older_than(place: str) -> Q:
    moment, _tilde, pk = place.partition("~")
    try:
        at, number = parse_datetime(moment), int(pk)
    except ValueError:
        raise PageNotFound from None
    if at is None or at.tzinfo is None:
        raise PageNotFound
    # The first bound is what the index is entered at.
    return Q(at__lte=at) & (Q(at__lt=at) | Q(pk__lt=number))


def _said(event: AuditEvent, subject: Subject, names: dict[str, str]) -> StrOrPromise:
    sentences = _SENTENCES if _is_own(event, subject) else _BY_AN_ADMIN
    sentence = (sentences if _went_well(event) else _OTHERWISE).get(event.action)
    return format_lazy(sentence, **names) if sentence else in_words(event.action)


def _went_well(what: AuditEvent | Deed) -> bool:
    return what.outcome == AuditEvent.Outcome.ALLOWED


def _is_own(event: AuditEvent, subject: Subject) -> bool:
    """Say whether nobody else did it. What admins do as well says who did: else a program did."""
    by = event.detail.get("by")
    if by is None:
        return event.action not in _BY_AN_ADMIN
    if isinstance(by, dict):
        by = [by.get("iss"), by.get("sub")]
    return bool(by == [subject.iss, subject.sub])


def _chain(event: AuditEvent) -> list[str]:
    return [str(name) for name in event.detail.get("chain", ())]


def _providers(names: Iterable[str]) -> dict[str, CredentialProvider]:
    return {one.name: one for one in CredentialProvider.objects.filter(name__in=names)}


def _name(known: dict[str, CredentialProvider], name: str) -> str:
    return known[name].display_name if name in known else name


def _by_name(choice: tuple[str, Any]) -> str:
    return str(choice[1]).lower()
