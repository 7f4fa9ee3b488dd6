"""Whether a person's token lets them in to an agent: the authorizer's rule, then who may use it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from django.conf import settings

from agents import authorizer, snapshot
from agents.authorizer import VerifiedCaller
from agents.errors import AgentDisabled, AgentUnknown, PersonDisabled, WorkloadDisabled
from agents.snapshot import Deployed
from core.subject import Subject


@dataclass(frozen=True, slots=True)
class Person:
    """A person whose token met an agent's rule. Only `identify` makes one."""

    subject: Subject
    name: str
    groups: frozenset[str]
    verified: VerifiedCaller  # what the token says


async def identify(unverified_token: str, deployed: Deployed) -> Person:
    """Return the person whom a token stands for, by the rule of the agent's version.

    Groups are the token's own; where it says nothing of groups, those of the last sign-in.

    Raises:
        TokenRefused: it does not meet the rule.
        IssuerUnavailable: nobody can say.
    """
    return await person_of(await authorizer.verify(unverified_token, deployed.authorizer))


async def person_of(verified: VerifiedCaller) -> Person:
    """Return the person whom a verified token stands for, as the site knows them."""
    known = await snapshot.person(verified.subject)
    groups = authorizer.groups_of(verified.claims, settings.DAIKO_GROUPS_CLAIM)
    if groups is None:
        groups = known.groups if known else frozenset()
    claimed = verified.claims.get("name")
    name = known.name if known else claimed if isinstance(claimed, str) else ""
    return Person(verified.subject, name, groups, verified)


async def authorize(person: Person, deployed: Deployed) -> None:
    """Refuse a person who may not use the agent, and then an agent that is switched off.

    In that order: whether an agent exists is not told to somebody whom it is not for.

    Raises:
        PersonDisabled, AgentUnknown, AgentDisabled, WorkloadDisabled.
    """
    for _name, refuse in STEPS:
        await refuse(person, deployed)


async def refuse_disabled(subject: Subject) -> None:
    """Raise PersonDisabled where an admin switched the account of `subject` off.

    Who has never signed in here is known by the token alone, and has no account to switch off.
    """
    known = await snapshot.person(subject)
    if known is not None and not known.active:
        raise PersonDisabled


def refuse_switched_off(deployed: Deployed) -> None:
    """Raise AgentDisabled or WorkloadDisabled where an admin switched one of them off."""
    _refuse_agent_off(deployed)
    _refuse_workload_off(deployed)


def _refuse_agent_off(deployed: Deployed) -> None:
    if not deployed.enabled:
        raise AgentDisabled


def _refuse_workload_off(deployed: Deployed) -> None:
    if not deployed.workload_enabled:
        raise WorkloadDisabled


async def _account(person: Person, deployed: Deployed) -> None:
    await refuse_disabled(person.subject)


async def _users(person: Person, deployed: Deployed) -> None:
    if not deployed.is_for(person.subject, person.groups):
        raise AgentUnknown(detail="not for this person")


async def _agent(person: Person, deployed: Deployed) -> None:
    _refuse_agent_off(deployed)


async def _workload(person: Person, deployed: Deployed) -> None:
    _refuse_workload_off(deployed)


Step = Callable[[Person, Deployed], Awaitable[None]]
# What a person has to pass after the token, in order, for `authorize` and for the explainer.
STEPS: tuple[tuple[str, Step], ...] = (
    ("account", _account),
    ("users", _users),
    ("agent", _agent),
    ("workload", _workload),
)
