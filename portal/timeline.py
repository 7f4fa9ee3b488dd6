"""What an answer is made of: its parts, in the order in which they came about.

The column `Message.parts` holds them as JSON, and this module is its only reader and writer:

    {"kind": "text", "text": "the agent's markdown"}
    {"kind": "tool", "title": "Read calendar", "state": "running|done|failed|cut",
     "name": "what the agent calls it", "input": "what it was called with, no secret in it",
     "began_at": "ISO 8601", "ended_at": "ISO 8601, where it gave its result",
     "used": [{"provider": "…", "scopes": [{"name": "…", "words": "…"}]}]}
    {"kind": "access", "used": [as above, what was used and is no tool's]}
    {"kind": "consent", "id": "…", "state": "pending|completing|granted|denied|expired|failed|
     withdrawn|closed", "agent": "…", "provider": "…", "scopes": [{"name": "…", "words": "…"}],
     "expires_at": "ISO 8601", "notice": "the provider's words, or empty",
     "through": "who called the agent that asks, where the chat's own agent does not ask itself",
     "host": "where the link leads, for a consent that AWS holds"}
    {"kind": "approval", "id": "…", "state": "pending|approved|declined|answered|lapsed|closed",
     "agent": "…", "message": "what the agent asks, its own words", "expires_at": "ISO 8601",
     "decides": true: the person says yes or no, "tool": "what it would use, or empty",
     "input": "with what, no secret in it", "fields": [{"kind": "…", "label": "…",
     "required": true, "options": ["…"]}], "answers": [{"label": "…", "words": "…"}]}

Of a tool all but the first three may be missing: older answers did not say more.

A part keeps its place once it has one; its number is that place. None holds a secret: the link of
a request for consent travels in the run's event alone, sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

TOOL_STATES = frozenset({"running", "done", "failed", "cut"})
OPEN_CONSENT = frozenset({"pending", "completing"})
ENDED_CONSENT = frozenset({"granted", "denied", "expired", "failed", "withdrawn", "closed"})
OPEN_APPROVAL = "pending"
ENDED_APPROVAL = frozenset({"approved", "declined", "answered", "lapsed", "closed"})
_APPROVAL_WORDS = {"id", "agent", "message", "expires_at", "tool", "input"}
_FIELD_KINDS = frozenset({"yes_no", "text", "number", "whole", "choice"})
_CONSENT_WORDS = {"id", "agent", "provider", "expires_at", "notice"}
# Which few of them have.
_CONSENT_EXTRAS = ("through", "host")
_TOOL_EXTRAS = ("name", "input", "began_at", "ended_at")


@dataclass(frozen=True, slots=True)
class Text:
    """What the agent wrote without a break by anything else."""

    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the agent used; `cut` is one whose run ended before it did.

    `used` is what of services was used on the person's behalf meanwhile, as far as this site knows.
    """

    title: str
    state: str
    name: str = ""
    input: str = ""
    began_at: str = ""
    ended_at: str = ""
    used: tuple[dict[str, Any], ...] = ()
    kind: ClassVar[str] = "tool"

    @property
    def took_s(self) -> float | None:
        """Return how many seconds it took; None: it has not ended, or nobody noted it."""
        if not self.began_at or not self.ended_at:
            return None
        took = datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.began_at)
        return max(took.total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class Access:
    """What of services was used on the person's behalf for the answer, where no tool says so."""

    used: tuple[dict[str, Any], ...]
    kind: ClassVar[str] = "access"


@dataclass(frozen=True, slots=True)
class Consent:
    """A request for consent. `closed` is one whose run ended while nobody had answered it."""

    id: str
    state: str
    agent: str
    provider: str
    scopes: tuple[dict[str, str], ...]
    expires_at: str
    notice: str = ""
    through: str = ""
    host: str = ""
    kind: ClassVar[str] = "consent"

    @property
    def is_open(self) -> bool:
        """Say whether the person can still answer it."""
        return self.state in OPEN_CONSENT


@dataclass(frozen=True, slots=True)
class Approval:
    """Something that the agent asks the person before it goes on.

    `decides`: the person says yes or no to it; else they fill in `fields`, or do not answer.
    `lapsed` is one that nobody answered in time, `closed` one whose run ended before.
    """

    id: str
    state: str
    agent: str
    message: str
    expires_at: str
    decides: bool
    tool: str = ""
    input: str = ""
    fields: tuple[dict[str, Any], ...] = ()
    answers: tuple[dict[str, str], ...] = ()
    kind: ClassVar[str] = "approval"

    @property
    def is_open(self) -> bool:
        """Say whether the person can still answer it."""
        return self.state == OPEN_APPROVAL


Part = Text | Tool | Access | Consent | Approval


def to_json(part: Part) -> dict[str, Any]:
    """Return the part as the column holds it."""
    value = {"kind": part.kind, **asdict(part)}
    if isinstance(part, Consent):
        value["scopes"] = list(value["scopes"])
    if isinstance(part, Tool | Access):
        value["used"] = list(value["used"])
    if isinstance(part, Approval):
        return value | {"fields": list(part.fields), "answers": list(part.answers)}
    for name in (*_CONSENT_EXTRAS, *_TOOL_EXTRAS, "used"):
        if name in value and not value[name]:
            del value[name]
    return value


def from_json(value: Any) -> Part:
    """Return the part that a value of the column is.

    Raises:
        ValueError: it is none.
    """
    match value:
        case {"kind": "text", "text": str(text), **rest} if not rest:
            return Text(text)
        case {"kind": "tool", "title": str(title), "state": str(state), **rest}:
            used = rest.pop("used", [])
            told = {str(name): text for name, text in rest.items() if isinstance(text, str)}
            known = state in TOOL_STATES and set(rest) == set(told) <= set(_TOOL_EXTRAS)
            if known and isinstance(used, list):
                return Tool(title, state, used=tuple(_use(each) for each in used), **told)
        case {"kind": "access", "used": list(used), **rest} if not rest:
            return Access(tuple(_use(each) for each in used))
        case {"kind": "consent", "scopes": list(scopes), "state": str(state), **rest}:
            told = {str(name): text for name, text in rest.items() if isinstance(text, str)}
            known = state in OPEN_CONSENT | ENDED_CONSENT
            if (
                known
                and set(rest) == set(told)
                and set(rest).difference(_CONSENT_EXTRAS) == _CONSENT_WORDS
            ):
                return Consent(state=state, scopes=tuple(_scope(s) for s in scopes), **told)
        case {
            "kind": "approval",
            "state": str(state),
            "decides": bool(decides),
            "fields": list(fields),
            "answers": list(answers),
            **rest,
        }:
            told = {str(name): text for name, text in rest.items() if isinstance(text, str)}
            known = state in ENDED_APPROVAL | {OPEN_APPROVAL}
            if known and set(rest) == set(told) == _APPROVAL_WORDS:
                return Approval(
                    state=state,
                    decides=decides,
                    fields=tuple(_field(each) for each in fields),
                    answers=tuple(_filled_in(each) for each in answers),
                    **told,
                )
    raise ValueError("not a part of an answer")


def _field(value: Any) -> dict[str, Any]:
    match value:
        case {
            "kind": str(kind),
            "label": str(label),
            "required": bool(required),
            "options": list(options),
            **rest,
        } if not rest and kind in _FIELD_KINDS and all(isinstance(one, str) for one in options):
            return {"kind": kind, "label": label, "required": required, "options": options}
    raise ValueError("not a field")


def _filled_in(value: Any) -> dict[str, str]:
    match value:
        case {"label": str(label), "words": str(words), **rest} if not rest:
            return {"label": label, "words": words}
    raise ValueError("not a field that was filled in")


def _use(value: Any) -> dict[str, Any]:
    match value:
        case {"provider": str(provider), "scopes": list(scopes), **rest} if not rest:
            return {"provider": provider, "scopes": [_scope(each) for each in scopes]}
    raise ValueError("not a use of a service")


def _scope(value: Any) -> dict[str, str]:
    match value:
        case {"name": str(name), "words": str(words), **rest} if not rest:
            return {"name": name, "words": words}
    raise ValueError("not a scope")


def over(part: Part) -> Part:
    """Return the part as it stands once its run is over: nothing goes on, nothing waits."""
    if isinstance(part, Tool) and part.state == "running":
        return replace(part, state="cut")
    if isinstance(part, Consent | Approval) and part.is_open:
        return replace(part, state="closed")
    return part


def told_of(parts: Iterable[Part]) -> set[tuple[str, str]]:
    """Return which service was used with which scope, as the tools among `parts` say."""
    return {named for part in parts if isinstance(part, Tool) for named in _named(part.used)}


def besides(used: Iterable[dict[str, Any]], told: set[tuple[str, str]]) -> Access | None:
    """Return the part that says what was used and is not `told`, or None where that is nothing."""
    rest = tuple(use for use in used if not set(_named([use])) <= told)
    return Access(rest) if rest else None


def _named(used: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for use in used:
        yield use["provider"], ""  # a key has no scopes
        for scope in use["scopes"]:
            yield use["provider"], scope["name"]


def markdown_of(parts: Iterable[Part]) -> str:
    """Return all that the agent wrote, as one markdown text."""
    return "\n\n".join(part.text for part in parts if isinstance(part, Text))


def was_refused(parts: Iterable[Part]) -> bool:
    """Say whether the newest request for consent among `parts` ended without a grant."""
    states = [part.state for part in parts if isinstance(part, Consent)]
    return bool(states) and states[-1] in ENDED_CONSENT - {"granted"}
