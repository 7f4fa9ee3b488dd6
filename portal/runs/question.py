"""What the agent is asked: the body of its invocation, in the words of its protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.models import AgentVersion
from portal.models import Message, Run
from portal.selectors import thread_of
from portal.timeline import markdown_of

# What a client of AG-UI sends again with each question: the conversation so far.
_MAX_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the conversation."""

    id: UUID
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A person's question, and for a protocol that wants them the messages up to it."""

    text: str
    thread: tuple[Said, ...] | None = None

    def body(self, *, thread_id: str, run_id: UUID) -> bytes:
        """Return the body of the invocation: a prompt, or the input of AG-UI's run."""
        asked: dict[str, Any] = {"prompt": self.text}
        if self.thread is not None:
            asked = {
                "threadId": thread_id,
                "runId": str(run_id),
                "state": {},
                "messages": [
                    {"id": str(said.id), "role": said.role, "content": said.text}
                    for said in self.thread
                ],
                "tools": [],
                "context": [],
                "forwardedProps": {},
            }
        return json.dumps(asked, ensure_ascii=False).encode()


def question_of(run: Run) -> Question:
    """Return what `run` asks, as the newest version of its agent takes it."""
    version = run.conversation.agent.versions.order_by("-number").first()
    if version is None or version.protocol != AgentVersion.Protocol.AGUI:
        return Question(run.question.text)
    thread: list[Said] = []
    for spoken in thread_of(run.conversation):
        message = spoken.message
        is_persons = message.role == Message.Role.USER
        text = message.text if is_persons else markdown_of(message.timeline)
        if text:
            thread.append(Said(message.pk, message.role, text))
        if message.pk == run.question_id:
            break
    return Question(run.question.text, tuple(thread[-_MAX_MESSAGES:]))
