"""On whose behalf something was done, and through whom: drawn as one line of steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from agents.admin.shared import trail_of
from core.models import AuditEvent
from core.subject import OPAQUE_ISSUER

PERSON, AGENT, SERVICE = _("Person"), _("Agent"), _("Service")


@dataclass(frozen=True, slots=True)
class Step:
    """Somebody or something that it went through, and what else is on record of that."""

    kind: StrOrPromise
    name: str
    url: str


def steps_of(event: AuditEvent) -> list[Step]:
    """Return the person, everybody through whom the agent was called, and the agent."""
    steps = []
    if person := person_of(event):
        whose = f"{event.subject_iss} {event.subject_sub}"
        steps.append(Step(PERSON, person, trail_of(person=whose)))
    named = {row["id"]: row["name"] for row in getattr(event, "chain_names", ())}
    # The last of them stands first on record.
    for agent_id in reversed(event.detail.get("chain", ())):
        steps.append(Step(AGENT, str(named.get(agent_id, agent_id)), trail_of(agent=str(agent_id))))
    if agent := agent_of(event):
        url = trail_of(agent=event.agent) if event.agent else trail_of(q=event.workload)
        steps.append(Step(AGENT, agent, url))
    return steps


def service_of(event: AuditEvent) -> list[Step]:
    """Return the service that it came to, if to any, as the last of the steps."""
    if not event.provider:
        return []
    return [Step(SERVICE, event.provider, trail_of(provider=event.provider))]


def drawn(steps: Sequence[Step]) -> str:
    """Return the picture: a list, which also says all of it in one line to whoever hears it."""
    if len(steps) < 2:  # noqa: PLR2004  (nobody stands between one and itself)
        return "-"
    shown = {"steps": steps, "told": told_of(steps)}
    return render_to_string("admin/core/auditevent/_chain.html", shown)


def told_of(steps: Iterable[Step]) -> str:
    """Return the steps in one line."""
    return " → ".join(step.name for step in steps)


def person_of(event: AuditEvent) -> str:
    """Return what the person is called, and of one whom an operator named, the name alone."""
    if event.subject_iss == OPAQUE_ISSUER:
        return event.subject_sub
    return str(getattr(event, "person_name", None) or event.subject_sub)


def agent_of(event: AuditEvent) -> str:
    """Return what the agent is called; a workload identity of no agent has its own name."""
    return str(getattr(event, "agent_name", None) or event.agent or event.workload)
