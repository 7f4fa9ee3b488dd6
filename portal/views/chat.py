"""The chat's pages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import SuspiciousFileOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.utils.text import get_valid_filename
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from agents.models import Agent
from core.models import User
from portal import exports, selectors
from portal.api.shapes import agent_shape, agents_shape, conversation_shape, spoken_shape
from portal.attachments import file_bounds
from portal.branches import versions_of
from portal.errors import PageNotFound
from portal.models import Conversation, Message, Run
from portal.runs import notices
from portal.tour import is_new_here
from portal.views.access import SignedInRequest, public, signed_in
from vault.grants.attention import attention_of


@public
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the agents to choose from, or to a stranger what this is."""
    if request.signin is None:  # type: ignore[attr-defined]  # our middleware's
        return render(request, "portal/welcome.html", {"next": "/"})
    return _choices(request)


@signed_in
def _choices(request: SignedInRequest) -> HttpResponse:
    context = {**_context(request.user), "is_new_here": is_new_here(request.user)}
    return render(request, "portal/chat.html", context)


@signed_in
@require_safe
def chat_new(request: SignedInRequest, agent_id: str) -> HttpResponse:
    """Show a conversation that begins with its first message."""
    agent = selectors.agent_for(request.user, agent_id=agent_id)
    return render(request, "portal/chat.html", _context(request.user, agent=agent))


@signed_in
@require_safe
def chat(request: SignedInRequest, conversation_id: UUID) -> HttpResponse:
    """Show a conversation of the person, as far as it has come."""
    found = selectors.conversation_of(request.user, conversation_id=conversation_id)
    context = _context(request.user, agent=found.agent, conversation=found)
    return render(request, "portal/chat.html", context)


@signed_in
@require_safe
def export(request: SignedInRequest, conversation_id: UUID, name: str) -> HttpResponse:
    """Return a conversation of the person as a file to keep."""
    found = selectors.conversation_of(request.user, conversation_id=conversation_id)
    kind = exports.FORMATS.get(name)
    if kind is None:
        raise PageNotFound
    text = kind.made_of(found, selectors.thread_of(found))
    try:
        stem = get_valid_filename(found.title)
    except SuspiciousFileOperation:  # nothing of it can be in the name of a file
        stem = str(found.pk)
    disposition = content_disposition_header(as_attachment=True, filename=f"{stem}.{kind.ending}")
    return HttpResponse(
        text, content_type=kind.content_type, headers={"Content-Disposition": disposition}
    )


def _context(
    user: User, *, agent: Agent | None = None, conversation: Conversation | None = None
) -> dict[str, Any]:
    context: dict[str, Any] = {
        "agents": agents_shape(selectors.agents_for(user), user),
        "conversations": [conversation_shape(found) for found in selectors.conversations_of(user)],
        "agent": agent_shape(agent, user) if agent else None,
        "conversation": None,
        "thread": [],
        "active_run": None,
        "closed_notice": "",
        "attention": attention_of(user.subject),
        "files": file_bounds(agent) if agent else None,
    }
    if conversation is not None:
        context["conversation"] = conversation_shape(conversation)
        context["thread"] = _thread(conversation)
        context["active_run"] = _active(selectors.active_run_of(conversation))
        context["closed_notice"] = _closed_notice(user, conversation.agent)
    return context


def _thread(conversation: Conversation) -> list[dict[str, Any]]:
    """Return what was said, each question with the versions that there are of it."""
    said = [spoken_shape(each) for each in selectors.thread_of(conversation)]
    versions = versions_of(conversation)
    questions = (shape for shape in said if shape["role"] == Message.Role.USER)
    for place, question in enumerate(questions):
        question["versions"] = versions.get(place)
    return said


def _active(run: Run | None) -> dict[str, Any] | None:
    return {"id": run.pk, "events": run.events_path} if run else None


def _closed_notice(user: User, agent: Agent) -> str:
    """Return why nothing can be said in a conversation any more, or the empty string."""
    language = get_language() or "en"
    if not selectors.is_open_to(user, agent):
        return notices.closed_for(notices.NOT_OPEN, language=language)
    if not agent.enabled:
        return notices.closed_for(notices.OFF, language=language)
    return ""
