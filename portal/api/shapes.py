"""How things look as JSON, and to the templates, which read the same."""

from __future__ import annotations

from typing import Any

from django.utils.safestring import SafeString, mark_safe

from agents.models import Agent
from portal.models import Conversation, Message, Run
from portal.runs import markdown
from portal.selectors import Spoken


def agent_shape(agent: Agent) -> dict[str, Any]:
    """Return an agent as its people see it."""
    return {"id": agent.agent_id, "name": agent.display_name, "description": agent.description}


def conversation_shape(conversation: Conversation) -> dict[str, Any]:
    """Return a line of the list of conversations."""
    agent = conversation.agent
    return {
        "id": conversation.pk,
        "title": conversation.title,
        "agent": {"id": agent.agent_id, "name": agent.display_name},
        "updated_at": conversation.updated_at,
    }


def spoken_shape(spoken: Spoken) -> dict[str, Any]:
    """Return one message; an answer with its HTML and how its run stands."""
    message, run = spoken.message, spoken.run
    shape: dict[str, Any] = {
        "id": message.pk,
        "role": message.role,
        "text": message.text,
        "html": "",
        "created_at": message.created_at,
        "client_key": message.client_key,
        "run": None,
    }
    if message.role == Message.Role.ASSISTANT:
        shape["html"] = _answer_html(message.text)
    if run is not None:
        shape["run"] = {
            "id": run.pk,
            "status": run.status,
            "code": run.code,
            "notice": run.notice,
        }
    return shape


def run_shape(run: Run) -> dict[str, Any]:
    """Return what a page needs to follow a run."""
    return {"id": run.pk, "events": run.events_path}


def _answer_html(text: str) -> SafeString:
    # Escaped by markdown-it and then passed through nh3's allow-list.
    return mark_safe(markdown.render_whole(text))  # noqa: S308
