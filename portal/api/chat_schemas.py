"""What the chat's own pages are answered with, in OpenAPI. `portal.api.shapes` makes it."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_ID = {"type": "string", "format": "uuid"}
_FLAG = {"type": "boolean"}
_TIME = {"type": "string", "format": "date-time"}


def one(name: str) -> dict[str, Any]:
    """Return a reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def many(name: str) -> dict[str, Any]:
    """Return the schema of a list of them."""
    return {"type": "array", "items": one(name)}


def _maybe(name: str) -> dict[str, Any]:
    return {"nullable": True, "allOf": [one(name)]}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


SCHEMAS: dict[str, Any] = {
    "Agent": _object(
        id=_TEXT,
        name=_TEXT,
        description=_TEXT,
        services=many("Service"),
        accepts={"type": "array", "items": _TEXT},
    ),
    "Service": _object(name=_TEXT, connected=_FLAG),
    "AgentName": _object(id=_TEXT, name=_TEXT),
    "Conversation": _object(
        id=_ID, title=_TEXT, agent=one("AgentName"), updated_at=_TIME, pinned=_FLAG, url=_TEXT
    ),
    "ConversationBegun": _object(id=_ID, url=_TEXT),
    "Thread": _object(
        id=_ID,
        title=_TEXT,
        agent=one("Agent"),
        messages=many("Message"),
        active_run={**_ID, "nullable": True},
    ),
    "Message": _object(
        id=_ID,
        role=_TEXT,
        text=_TEXT,
        parts={"type": "array", "items": {"type": "object"}},
        html=_TEXT,
        created_at=_TIME,
        client_key={**_ID, "nullable": True},
        attachments=many("Attachment"),
        run=_maybe("RunOutcome"),
        feedback=_maybe("Feedback"),
    ),
    "Attachment": _object(
        id=_ID, name=_TEXT, media_type=_TEXT, size={"type": "integer"}, is_image=_FLAG, url=_TEXT
    ),
    "Feedback": _object(verdict={**_TEXT, "enum": ["good", "bad"]}, words=_TEXT),
    "MessageSent": _object(message=one("Message"), run=one("Run")),
    "Run": _object(id=_ID, events=_TEXT),
    "RunBegun": _object(run=one("Run")),
    "RunOutcome": _object(
        id=_ID, **dict.fromkeys(("status", "code", "notice", "reference", "again", "closed"), _TEXT)
    ),
}
