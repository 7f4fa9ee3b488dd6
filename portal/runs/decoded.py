"""What an answer is made of while it comes, whatever form the agent gave it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.aws.consents import Link
from portal.errors import PortalError


class AnswerUnreadable(PortalError):
    """The agent answered something that is no answer."""

    code = "answer_unreadable"


class AgentReportedError(PortalError):
    """The agent itself says, in its stream, that it failed."""

    code = "agent_reported_error"


class AnswerTooLong(PortalError):
    """The answer is longer than a conversation keeps."""

    code = "answer_too_long"


class InterruptUnreadable(PortalError):
    """The agent waits for an answer to something that cannot be shown."""

    code = "interrupt_unreadable"


class ApprovalTooLate(PortalError):
    """The agent takes no answer any more to what it asked."""

    code = "approval_too_late"


@dataclass(frozen=True, slots=True)
class Text:
    """More of the answer's markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Break:
    """What was said so far is complete; what follows begins a paragraph."""


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The agent uses one of its tools; `name` is what it calls it itself."""

    id: str
    title: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """What the tool is called with, as it may be shown."""

    id: str
    input: str


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """The tool gave its result."""

    id: str
    succeeded: bool


@dataclass(frozen=True, slots=True)
class ConsentLink:
    """The answer holds a link to a consent at AWS.

    Where it stands in the text, `text` is how, and `instead` what is left of it beside a card.
    """

    link: Link
    text: str = ""
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the agent wants to be sent again when it goes on: a member of its input, as it is."""

    member: str
    value: Any


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing that the agent waits for. `schema` is that of the answer, as the agent gave it.

    `session_uri`: it is a consent. `has_form`: it is one that a form can hold.
    """

    id: str
    message: str
    tool_id: str
    schema: Any
    has_form: bool
    expires_at: datetime | None
    session_uri: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The agent has stopped to ask, and goes on in a new run that answers all of it."""

    asks: tuple[Ask, ...]


Decoded = Text | Break | ToolStarted | ToolCalled | ToolEnded | ConsentLink | Snapshot | Interrupted
