"""What people asked the planner to remind them of: kept once they have approved it.

It lives in the process and is bounded. The key is the runtime session, which belongs to one person:
the platform lets nobody else into it.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import (
    BaseEvent,
    Interrupt,
    ResumeEntry,
    RunAgentInput,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)

from demo.agents.markdown import plain

_ASKED = re.compile(r"\bremind me to (?P<what>.{1,200})", re.IGNORECASE | re.DOTALL)
_LISTED = re.compile(r"\bmy reminders\b", re.IGNORECASE)
_DAYS = ["today", "tomorrow", "next week"]
_MOST = 20
_MOST_SESSIONS = 500


@dataclass
class _Kept:
    reminders: list[str] = field(default_factory=list)
    # What the person was asked, and the tool call that waits for it, by the interrupt's id.
    open: dict[str, tuple[str, str]] = field(default_factory=dict)
    # The message that it was asked about.
    message: str = ""


class Reminders:
    """Every session's reminders; the session that was silent longest goes first."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, _Kept] = OrderedDict()

    def _of(self, session_id: str) -> _Kept:
        kept = self._held.setdefault(session_id, _Kept())
        self._held.move_to_end(session_id)
        while len(self._held) > _MOST_SESSIONS:
            self._held.popitem(last=False)
        return kept

    def listed(self, session_id: str, question: str) -> str | None:
        """Return the list, if that is what is asked for."""
        if not _LISTED.search(question):
            return None
        kept = self._of(session_id).reminders
        return "\n".join(f"- {one}" for one in kept) or "I remind you of nothing yet."

    def asked_about(self, session_id: str, message: str) -> bool:
        """Say whether the person was asked something about that message."""
        return self._of(session_id).message == message

    def ask(self, session_id: str, question: str, asked_in: RunAgentInput) -> Iterator[BaseEvent]:
        """Yield the events that ask for approval; none: it is not about a new reminder."""
        found = _ASKED.search(question)
        if found is None:
            return
        what, call, asked = found["what"].strip(" .!?\n"), str(uuid.uuid4()), str(uuid.uuid4())
        kept = self._of(session_id)
        kept.open, kept.message = {asked: (call, what)}, asked_in.messages[-1].id
        yield ToolCallStartEvent(tool_call_id=call, tool_call_name="add_reminder")
        yield ToolCallArgsEvent(tool_call_id=call, delta=json.dumps({"what": what}))
        yield ToolCallEndEvent(tool_call_id=call)
        interrupt = Interrupt(
            id=asked,
            reason="tool_call",
            message=f"Shall I remind you to {what}?",
            tool_call_id=call,
            response_schema={
                "type": "object",
                "properties": {
                    "approved": {"type": "boolean"},
                    "day": {"type": "string", "title": "When", "enum": _DAYS},
                },
                "required": ["approved"],
            },
        )
        yield RunFinishedEvent(
            thread_id=asked_in.thread_id,
            run_id=asked_in.run_id,
            outcome=RunFinishedInterruptOutcome(interrupts=[interrupt]),
        )

    def resume(
        self, session_id: str, answers: list[ResumeEntry]
    ) -> Iterator[str | ToolCallResultEvent]:
        """Yield what comes of the person's answers: the results of tools, and words."""
        kept = self._of(session_id)
        for answer in answers:
            call, what = kept.open.pop(answer.interrupt_id, ("", ""))
            if not call:
                continue
            said: Any = answer.payload if isinstance(answer.payload, dict) else {}
            approved = answer.status == "resolved" and said.get("approved") is True
            day = said.get("day") if said.get("day") in _DAYS else ""
            if approved:
                reminder = f"{plain(what)} ({day})" if day else plain(what)
                kept.reminders = [*kept.reminders, reminder][-_MOST:]
            result = "Kept." if approved else "Not approved."
            yield ToolCallResultEvent(message_id=call, tool_call_id=call, content=result)
            if approved:
                yield " ".join(["I shall remind you", *filter(None, [day]), f"to {plain(what)}."])
            elif answer.status == "resolved":
                yield "Then I do not keep that."
