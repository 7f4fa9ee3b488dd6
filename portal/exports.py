"""A conversation as a file that a person takes away: Markdown to read, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal.attachments import attachment_shape
from portal.feedback import feedback_shape
from portal.models import Conversation, Feedback, Message, Run
from portal.runs.parts import took_of
from portal.selectors import Spoken
from portal.timeline import Access, Approval, Consent, Part, Text, Tool, to_json


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file: its ending, its type, and what makes it of a conversation."""

    ending: str
    content_type: str
    made_of: Callable[[Conversation, Sequence[Spoken]], str]


def markdown(conversation: Conversation, thread: Sequence[Spoken]) -> str:
    """Return the conversation as Markdown, in the language of whoever asks.

    What either side wrote stands as it was written; tools and requests for consent are quoted.
    """
    agent = conversation.agent.display_name
    lines = [f"# {conversation.title}", "", f"*{agent} · {_moment(conversation.created_at)}*"]
    for said in thread:
        is_person = said.message.role == Message.Role.USER
        who = _("You") if is_person else agent
        lines += ["", f"## {who} · {_moment(said.message.created_at)}"]
        for paragraph in _question(said.message) if is_person else _answer(said):
            lines += ["", paragraph]
    return "\n".join(lines) + "\n"


def as_json(conversation: Conversation, thread: Sequence[Spoken]) -> str:
    """Return the conversation as a JSON object: `title`, `agent`, `messages` with their parts."""
    document = {
        "id": conversation.pk,
        "title": conversation.title,
        "agent": {"id": conversation.agent.agent_id, "name": conversation.agent.display_name},
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "messages": [
            {
                "id": said.message.pk,
                "role": said.message.role,
                "text": said.message.text,
                "attachments": _attached(said),
                "parts": [to_json(part) for part in said.message.timeline],
                "status": said.run.status if said.run else None,
                "feedback": feedback_shape(said.feedback),
                "created_at": said.message.created_at,
            }
            for said in thread
        ],
    }
    return json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2) + "\n"


FORMATS = {
    "markdown": Format("md", "text/markdown; charset=utf-8", markdown),
    "json": Format("json", "application/json", as_json),
}


def _attached(said: Spoken) -> list[dict[str, Any]]:
    asked = said.message.attachments.all() if said.run is None else ()
    return [attachment_shape(one) for one in asked]


def _question(message: Message) -> Iterator[str]:
    """Yield the paragraphs of a question: what was written, and the names of what went with it."""
    yield message.text
    for attached in message.attachments.all():
        # Whatever the name says, it ends no block.
        yield f"> {_('Attached')}\n>\n>     {attached.name} ({filesizeformat(attached.size)})"


def _answer(said: Spoken) -> Iterator[str]:
    """Yield the paragraphs of an answer, how it ended if not well, and what its person thinks."""
    yield from _paragraphs(said.message.timeline)
    yield from _ending(said)
    if said.feedback is not None:
        yield "\n".join(f"> {line}".rstrip() for line in _judged(said.feedback))


def _ending(said: Spoken) -> Iterator[str]:
    if said.run is None or said.run.status == Run.Status.DONE:
        return
    told = {
        Run.Status.STOPPED: _("You stopped this answer."),
        Run.Status.FAILED: said.run.notice or _("The answer did not arrive."),
    }
    yield f"> {told.get(Run.Status(said.run.status), _('This answer is still being made.'))}"


def _judged(feedback: Feedback) -> Iterator[str]:
    yield f"{_('Your feedback')}: {feedback.get_verdict_display()}"
    if feedback.words:
        yield ""
        # Whatever stands in it, it ends no block.
        yield from (f"    {line}" for line in feedback.words.splitlines())


def _paragraphs(timeline: Iterable[Part]) -> Iterator[str]:
    for part in timeline:
        match part:
            case Text(text):
                yield text
            case Tool():
                yield "\n".join(f"> {line}".rstrip() for line in _used(part))
            case Access(used):
                yield "\n>\n".join(f"> {line}" for line in _uses(used))
            case Consent():
                asked = ", ".join(scope["words"] or scope["name"] for scope in part.scopes)
                outcome = _("given") if part.state == "granted" else _("not given")
                told = f"{_('Consent')} ({outcome}): {part.provider}"
                yield f"> {told}: {asked}" if asked else f"> {told}"
            case Approval():
                yield "\n".join(f"> {line}".rstrip() for line in _asked(part))


def _asked(approval: Approval) -> Iterator[str]:
    """Yield the lines of a quote that tells what the agent asked, and what the person said."""
    given = approval.state in {"approved", "answered"}
    asked, outcome = _("The agent asked"), _("approved") if given else _("not approved")
    yield f"{asked} ({outcome})"
    told = [approval.message, *(f"{one['label']}: {one['words']}" for one in approval.answers)]
    # Whatever stands in it, it ends no block.
    for line in "\n".join(told).splitlines():
        yield from ("", f"    {line}")


def _uses(used: Iterable[dict[str, Any]]) -> Iterator[str]:
    for use in used:
        scopes = ", ".join(scope["words"] or scope["name"] for scope in use["scopes"])
        yield f"{_('On your behalf')}: {use['provider']}{f': {scopes}' if scopes else ''}"


def _used(tool: Tool) -> Iterator[str]:
    """Yield the lines of a quote that tells of a tool."""
    took = took_of(tool)
    yield f"{_('Used')}: {tool.title}{f' · {took}' if took else ''}"
    for line in _uses(tool.used):
        yield from ("", line)
    if tool.input:
        yield ""
        # Whatever stands in it, it ends no block.
        yield from (f"    {line}" for line in [tool.name, *tool.input.split("\n")])


def _moment(at: datetime) -> str:
    return date_format(timezone.localtime(at), "DATETIME_FORMAT")
