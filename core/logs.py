"""Log lines: one JSON object each, an event with fields, and nothing secret in it.

`log.info("vault.token.refreshed", extra={"provider": name})` gives
`{"event": "vault.token.refreshed", "provider": …, "reference": …}`.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest

from core import reference

REDACTED = "[redacted]"
_WORD = re.compile(r"\S+")
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
SECRET_NAMES = re.compile(
    r"token|secret|password|cookie|authorization|verifier|assertion|api_?key|\bcode\b|session_key",
    re.IGNORECASE,
)
# JWTs, our own sealed tokens, bearer credentials, links to a consent, and secrets in query strings.
_SECRET_VALUES = re.compile(
    # From where the word begins, so that one of nothing but beginnings is looked through once.
    r"(?<![\w-])(?=[\w-]+\.[\w-]+\.)[\w-]*?eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|wat1\.[\w-]+"
    r"|(?i:bearer\s+)[\w\-.~+/=]+"
    r"|(?i:urn:ietf:params:oauth:request_uri:)[^&\s\"']+"
    r"|(?i:(?<=[?&;#])(?:code|state|nonce|access_token|refresh_token|id_token|id_token_hint"
    r"|client_secret|code_verifier|request_uri|session_id)=)[^&\s\"']+"
)
# How often one URL may be encoded into the query of another, before that is all that it is for.
_MAX_ENCODED = 8


def redacted(text: str) -> str:
    """Return `text` with what looks like a credential taken out, also where it is encoded."""
    return _WORD.sub(_decoded_to_redact, _taken_out(text)) if "%" in text else _taken_out(text)


def _decoded_to_redact(word: re.Match[str]) -> str:
    """Return a word as it is, or decoded as far as shows all that there is to take out.

    It is looked at before each decoding: a value that is decoded may look as if it ended earlier.
    """
    shown, found = word[0], False
    for _time in range(_MAX_ENCODED):
        decoded = unquote(shown)
        if decoded == shown:
            return shown if found else word[0]
        shown = _taken_out(decoded)
        found = found or shown != decoded
    return REDACTED


def _taken_out(text: str) -> str:
    return _SECRET_VALUES.sub(REDACTED, text)


class EventFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        event: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redacted(record.getMessage()),
            "reference": reference.current().id,
        }
        for name, value in vars(record).items():
            if name in _STANDARD:
                continue
            event[name] = REDACTED if SECRET_NAMES.search(name) else redacted(_text(value))
        if record.exc_info and record.exc_info[1] is not None:
            event["traceback"] = redacted(_frames(record.exc_info[1]))
        # Half of a surrogate pair would fail in the stream, and logging would print the raw record.
        return json.dumps(event, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _text(value: object) -> str:
    """Return a field as text; a request, as Django's loggers add it, without its query."""
    return f"{value.method} {value.path}" if isinstance(value, HttpRequest) else str(value)


def _frames(exc: BaseException) -> str:
    """Return where `exc` came from. Its text is left out: libraries put URLs and values there."""
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines.append(type(current).__name__)
        lines += [
            f"  {frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(current.__traceback__)
        ]
        current = current.__cause__ or current.__context__
    return "\n".join(lines)
