"""What an AG-UI agent asks before it goes on: the interrupts with which its run ends.

A run that ends with `outcome: {"type": "interrupt", "interrupts": […]}` goes on as a new run whose
input carries `resume`, with an answer to each. Nothing here is trusted: sizes are bounded, and what
an agent says stays text.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from portal.readable import readable_lines
from portal.runs.calls import MAX_ID_CHARS
from portal.runs.decoded import Ask, InterruptUnreadable
from portal.runs.forms import NotAForm, form_for

# Of one run of the agent.
MAX_ASKS = 10
_MAX_INTERRUPT_CHARS = 256
_MAX_MESSAGE_CHARS = 2_000
_MAX_SEARCHED_CHARS = 64_000
_YEARS = (2000, 9000)
# A consent, here and at AWS.
_SESSION_URI = re.compile(r"urn:ietf:params:oauth:request_uri:[A-Za-z0-9._~-]{1,200}")


def asks_in(interrupts: Any) -> tuple[Ask, ...]:
    """Return what is asked. Raises InterruptUnreadable: nobody could say what to answer."""
    if not isinstance(interrupts, list) or not 0 < len(interrupts) <= MAX_ASKS:
        raise InterruptUnreadable(detail="no list of interrupts")
    asks = tuple(_ask(value) for value in interrupts)
    if len({ask.id for ask in asks}) != len(asks):
        raise InterruptUnreadable(detail="two interrupts have one id")
    return asks


def _ask(value: Any) -> Ask:
    if not isinstance(value, dict):
        raise InterruptUnreadable(detail="an interrupt is no object")
    interrupt_id: Any = value.get("id")
    tool_id = value.get("toolCallId")
    named = isinstance(interrupt_id, str) and 0 < len(interrupt_id) <= _MAX_INTERRUPT_CHARS
    if not named or not interrupt_id.isprintable():
        raise InterruptUnreadable(detail="an interrupt without an id")
    message = value.get("message")
    schema = value.get("responseSchema")
    return Ask(
        id=interrupt_id,
        message=_text(message) if isinstance(message, str) else "",
        tool_id=tool_id[:MAX_ID_CHARS] if isinstance(tool_id, str) else "",
        schema=schema,
        has_form=_has_form(schema),
        expires_at=_moment(value.get("expiresAt")),
        session_uri=_session_uri(message, value.get("metadata")),
    )


def _text(message: str) -> str:
    text = readable_lines(message[: _MAX_MESSAGE_CHARS + 1]).strip()
    return text if len(text) <= _MAX_MESSAGE_CHARS else f"{text[:_MAX_MESSAGE_CHARS]}…"


def _has_form(schema: Any) -> bool:
    if schema is not None and not isinstance(schema, dict):
        return False
    try:
        form_for(schema)
    except NotAForm:
        return False
    return True


def _moment(value: Any) -> datetime | None:
    """Return when it ends; None where that is not said, or in no way that counts here.

    At the ends of the calendar nothing can be added, taken off, or brought to UTC.
    """
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    if not _YEARS[0] <= moment.year < _YEARS[1]:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _session_uri(message: Any, metadata: Any) -> str:
    """Return the name of the consent that it speaks of; empty: of none."""
    try:
        said = json.dumps([message, metadata])[:_MAX_SEARCHED_CHARS]
    except RecursionError:
        return ""
    found = _SESSION_URI.search(unquote(said))
    return found[0].rstrip(".") if found else ""
