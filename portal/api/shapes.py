"""How things look as JSON, and to the templates, which read the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from agents.models import Agent
from core.models import User
from portal.attachments import attachment_shape
from portal.feedback import feedback_shape
from portal.models import Conversation, Run
from portal.runs.parts import html_of
from portal.runs.records import finished_event
from portal.selectors import Spoken
from portal.timeline import Part, markdown_of, to_json
from vault.holdings.reach import services_of


def agents_shape(agents: Iterable[Agent], user: User) -> list[dict[str, Any]]:
    """Return agents as `user` sees them, with the services that each may ask for. Queries."""
    shown = list(agents)
    services = services_of([one.workload_identity_id for one in shown], subject=user.subject)
    return [
        {
            "id": one.agent_id,
            "name": one.display_name,
            "description": one.description,
            "services": [asdict(each) for each in services.get(one.workload_identity_id, ())],
            "accepts": list(one.accepts),
        }
        for one in shown
    ]


def agent_shape(agent: Agent, user: User) -> dict[str, Any]:
    """Return one agent as `agents_shape` does."""
    return agents_shape([agent], user)[0]


def conversation_shape(conversation: Conversation) -> dict[str, Any]:
    """Return a line of the list of conversations."""
    agent = conversation.agent
    return {
        "id": conversation.pk,
        "title": conversation.title,
        "agent": {"id": agent.agent_id, "name": agent.display_name},
        "updated_at": conversation.updated_at,
        "pinned": conversation.pinned_at is not None,
        "url": conversation.get_absolute_url(),
    }


def spoken_shape(spoken: Spoken) -> dict[str, Any]:
    """Return one message; an answer with its parts, as HTML too, and with how its run stands."""
    message, run = spoken.message, spoken.run
    shape: dict[str, Any] = {
        "id": message.pk,
        "role": message.role,
        "text": message.text,
        "parts": [],
        "html": "",
        "created_at": message.created_at,
        "client_key": message.client_key,
        "attachments": [],
        "run": None,
        "feedback": feedback_shape(spoken.feedback),
    }
    if run is None:
        shape["attachments"] = [attachment_shape(one) for one in message.attachments.all()]
    else:
        timeline = message.timeline
        shape["text"] = markdown_of(timeline)
        shape["parts"] = [to_json(part) for part in timeline]
        shape["html"] = _html_of(timeline, question=run.question.text)
        shape["run"] = {"id": run.pk, **finished_event(run)}
    return shape


def run_shape(run: Run) -> dict[str, Any]:
    """Return what a page needs to follow a run."""
    return {"id": run.pk, "events": run.events_path}


def _html_of(timeline: list[Part], *, question: str) -> SafeString:
    # Each part comes out of a template.
    parts = [html_of(index, part, question=question) for index, part in enumerate(timeline)]
    return mark_safe("\n".join(parts))  # noqa: S308
