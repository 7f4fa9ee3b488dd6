"""On whose behalf something was done, and through whom: drawn as one line of steps."""

from __future__ import annotations

from collections.abc import Sequence
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


def steps_of(event: AuditEvent, *, person: str, callers: Sequence[str], agent: str) -> list[Step]:
    """Return the person, everybody through whom the agent was called, the agent, and the service.

    `callers` are what the agents of the event's chain are called, the first of them first.
    """
    steps = []
    if person:
        whose = f"{event.subject_iss} {event.subject_sub}"
        steps.append(Step(PERSON, person, trail_of(person=whose)))
    ids = reversed(event.detail.get("chain", ()))
    steps += [
        Step(AGENT, name, trail_of(agent=str(agent_id)))
        for agent_id, name in zip(ids, callers, strict=True)
    ]
    if agent:
        url = trail_of(agent=event.agent) if event.agent else trail_of(q=event.workload)
        steps.append(Step(AGENT, agent, url))
    if event.provider:
        steps.append(Step(SERVICE, event.provider, trail_of(provider=event.provider)))
    return steps


def drawn(steps: Sequence[Step], *, told: str) -> str:
    """Return the picture: a list, also for whoever hears it; `told` says the same in one line."""
    if len(steps) < 2:  # noqa: PLR2004  (nobody stands between one and itself)
        return "-"
    return render_to_string("admin/core/auditevent/_chain.html", {"steps": steps, "told": told})


def person_of(event: AuditEvent) -> str:
    """Return what the person is called, and of one whom an operator named, the name alone."""
    if event.subject_iss == OPAQUE_ISSUER:
        return event.subject_sub
    return str(getattr(event, "person_name", None) or event.subject_sub)
