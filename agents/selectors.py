"""Which agents a person may use. What is not for them does not exist."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, OuterRef, Q, QuerySet

from agents.models import Agent
from core.models import User
from core.subject import Subject


def agents_usable_by(user: User) -> QuerySet[Agent]:
    """Return the agents that `user` may use, those that are switched off included.

    Groups are those of the last sign-in; the gateway asks again, with the token's own.
    """
    if not user.is_active:
        return Agent.objects.none()
    in_groups = Agent.allowed_groups.through.objects.filter(
        agent=OuterRef("pk"), group__in=user.groups.all()
    )
    named = Agent.allowed_users.through.objects.filter(agent=OuterRef("pk"), user=user)
    return Agent.objects.filter(Q(allow_everyone=True) | Exists(in_groups) | Exists(named))


def is_open_to(agent: Agent, *, subject: Subject, groups: Collection[str]) -> bool:
    """Say whether `subject`, being in `groups`, may use `agent`, as the database has it now."""
    return (
        agent.allow_everyone
        or agent.allowed_users.filter(iss=subject.iss, sub=subject.sub).exists()
        or agent.allowed_groups.filter(name__in=groups).exists()
    )
