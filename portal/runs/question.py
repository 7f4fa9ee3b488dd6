"""What the agent is asked: the body of its invocation, in the words of its protocol."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
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
class Attached:
    """A file that goes with the question."""

    name: str
    media_type: str
    content: bytes

    @property
    def data(self) -> str:
        """Return the content in base64 (RFC 4648 section 4)."""
        return base64.b64encode(self.content).decode()


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
    attached: tuple[Attached, ...] = ()

    def body(
        self,
        *,
        thread_id: str,
        run_id: str,
        resume: Sequence[Mapping[str, Any]] = (),
        kept: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body of the invocation: a prompt, or the input of AG-UI's run.

        Files go with the question that they were attached to, and are not sent again with later
        ones. `resume` are the answers to what the agent asked, `kept` what it wants to be sent
        again.
        """
        if self.thread is None:
            asked: dict[str, Any] = {"prompt": self.text}
            if self.attached:
                asked["attachments"] = [
                    {"name": one.name, "mediaType": one.media_type, "data": one.data}
                    for one in self.attached
                ]
        else:
            asked = {
                "threadId": thread_id,
                "runId": run_id,
                "state": {},
                "messages": self._messages(self.thread),
                "tools": [],
                "context": [],
                "forwardedProps": {},
                **(kept or {}),
                **({"resume": list(resume)} if resume else {}),
            }
        # What an agent is sent again may hold what UTF-8 has not; JSON has an escape for it.
        return json.dumps(asked, ensure_ascii=False).encode(errors="backslashreplace")

    def _messages(self, thread: tuple[Said, ...]) -> list[dict[str, Any]]:
        """Return AG-UI's messages. The last is this question, as parts where it has files."""
        messages: list[dict[str, Any]] = [
            {"id": str(said.id), "role": said.role, "content": said.text} for said in thread
        ]
        if self.attached:
            files = [
                {
                    "type": "image" if one.media_type.startswith("image/") else "document",
                    "source": {"type": "data", "value": one.data, "mimeType": one.media_type},
                    "metadata": {"filename": one.name},
                }
                for one in self.attached
            ]
            messages[-1]["content"] = [{"type": "text", "text": self.text}, *files]
        return messages


def question_of(run: Run) -> Question:
    """Return what `run` asks, as the newest version of its agent takes it."""
    attached = tuple(
        Attached(one.name, one.media_type, bytes(one.content))
        for one in run.question.attachments.defer(None)
    )
    version = run.conversation.agent.versions.order_by("-number").first()
    if version is None or version.protocol != AgentVersion.Protocol.AGUI:
        return Question(run.question.text, attached=attached)
    thread: list[Said] = []
    for spoken in thread_of(run.conversation):
        message = spoken.message
        is_persons = message.role == Message.Role.USER
        text = message.text if is_persons else markdown_of(message.timeline)
        if text:
            thread.append(Said(message.pk, message.role, text))
        if message.pk == run.question_id:
            break
    return Question(run.question.text, tuple(thread[-_MAX_MESSAGES:]), attached)
