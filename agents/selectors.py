"""Which agents a person may use. What is not for them does not exist."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from agents.models import Agent
from core.models import User


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
