"""What an answer is made of while it comes, whatever form the agent gave it."""

from __future__ import annotations

from dataclasses import dataclass

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


Decoded = Text | Break | ToolStarted | ToolCalled | ToolEnded | ConsentLink
