"""Who had a token explained, about whom: on record, and never the token."""

from __future__ import annotations

from typing import Any

from agents.explainer.explanation import Explanation
from agents.models import Agent
from core import audit
from core.audit import Actor
from core.subject import Subject


def record_explained(explanation: Explanation, *, by: Actor) -> None:
    """Put on record that a token which somebody brought was explained, and whose it proved to be.

    It comes before what was found is shown.

    Raises:
        AuditUnavailable: it could not be stored, so nothing may be shown.
    """
    asked = {"endpoint": explanation.endpoint, "looked_up": False}
    _record(explanation.agent_id, asked, explanation.subject, by)


def record_look_up(person: Subject, *, agent_id: str, endpoint: str, by: Actor) -> None:
    """Put on record that a person's token is looked up to be explained, before it is.

    Raises:
        AuditUnavailable: it could not be stored, so nothing may be looked up.
    """
    _record(agent_id, {"endpoint": endpoint, "looked_up": True}, person, by)


def _record(agent_id: str, asked: dict[str, Any], whose: Subject | None, by: Actor) -> None:
    named = Agent.objects.filter(agent_id=agent_id)
    workload = named.values_list("workload_identity__name", flat=True).first()
    about = {"iss": whose.iss, "sub": whose.sub} if whose else {}
    audit.record(
        audit.Event(
            "admin.token.explained",
            actor=by.name,
            subject=by.subject,
            agent=agent_id,
            workload=workload or "",
            detail={**asked, **about},
        )
    )
