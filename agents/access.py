"""Who may use which agent, and by which rule: as it is, or as it would be after a change.

What `agents.admission` decides of a call once its token met the authorizer, seen from above: for
all agents of a person, and for all people of an agent. The groups are those of the last sign-in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from agents.models import Agent
from core.models import User

# What a person has to pass, by the names that `agents.admission.STEPS` has for them.
Step = Literal["account", "users", "agent", "workload"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One of the rules that open an agent to a person; `group` names it where one does."""

    kind: Literal["everyone", "group", "person"]
    group: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a person may use an agent.

    `rules` are all that open it to them; `refused_at` is the first step that they do not pass.
    """

    agent: Agent
    person: User
    rules: tuple[Rule, ...]
    refused_at: Step | None


@dataclass(frozen=True, slots=True)
class Opening:
    """Whom an agent is open to, by keys: that of an agent, or what somebody is about to save."""

    everyone: bool
    groups: frozenset[int]
    people: frozenset[int]

    @classmethod
    def of(cls, agent: Agent) -> Opening:
        """Return whom `agent` is open to now."""
        return cls(
            agent.allow_everyone,
            frozenset(agent.allowed_groups.values_list("pk", flat=True)),
            frozenset(agent.allowed_users.values_list("pk", flat=True)),
        )

    @classmethod
    def to(cls, *, everyone: bool, groups: Iterable[Group], people: Iterable[User]) -> Opening:
        """Return the one to these."""
        named = frozenset(person.pk for person in people)
        return cls(everyone, frozenset(group.pk for group in groups), named)

    @property
    def admitted(self) -> Q:
        """Return the condition on people that holds for whom it is open to."""
        if self.everyone:
            return Q(pk__isnull=False)
        member = User.groups.through.objects.filter(user=OuterRef("pk"), group__in=self.groups)
        return Q(pk__in=self.people) | Q(Exists(member))

    def rules_for(self, person: User) -> Iterator[Rule]:
        """Yield the rules that open it to `person`, with their groups."""
        if self.everyone:
            yield Rule("everyone")
        for group in sorted(person.groups.all(), key=lambda group: group.name):
            if group.pk in self.groups:
                yield Rule("group", group.name)
        if person.pk in self.people:
            yield Rule("person")


NOBODY = Opening(False, frozenset(), frozenset())


def people_of(opening: Opening, *, but: Opening = NOBODY) -> QuerySet[User]:
    """Return by name, with their groups, whom `opening` admits of those whose account is on.

    Without those whom `but` admits as well: so who would win, and who would lose, by a change.
    """
    people = User.objects.filter(opening.admitted, is_active=True).exclude(but.admitted)
    return people.prefetch_related("groups").order_by("name", "pk")


def access_of(person: User) -> list[Access]:
    """Return what `person` has of each agent that there is, by the agent's name."""
    agents = Agent.objects.select_related("workload_identity").prefetch_related(
        Prefetch("allowed_groups", Group.objects.filter(user=person.pk)),
        Prefetch("allowed_users", User.objects.filter(pk=person.pk)),
    )
    return [_access(agent, person) for agent in agents.order_by("display_name", "pk")]


def _access(agent: Agent, person: User) -> Access:
    """Return what `person` has of `agent`, which has their groups and themselves at most."""
    opening = Opening.to(
        everyone=agent.allow_everyone,
        groups=agent.allowed_groups.all(),
        people=agent.allowed_users.all(),
    )
    rules = tuple(opening.rules_for(person))
    steps: tuple[tuple[Step, bool], ...] = (
        ("account", person.is_active),
        ("users", bool(rules)),
        ("agent", agent.enabled),
        ("workload", agent.workload_identity.enabled),
    )
    refused_at = next((step for step, passed in steps if not passed), None)
    return Access(agent, person, rules, refused_at)
