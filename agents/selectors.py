"""Which agents a person may use; what is not for them does not exist. What agents are called."""

from __future__ import annotations

from collections.abc import Collection

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


def names_of(agent_ids: Collection[str]) -> dict[str, str]:
    """Return what those of these agents that there still are are called today, by their ids."""
    named = Agent.objects.filter(agent_id__in=agent_ids)
    return dict(named.values_list("agent_id", "display_name"))
