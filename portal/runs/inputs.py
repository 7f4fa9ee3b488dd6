"""What a tool was called with, as its person may see it: short, and without what looks secret.

Agents put into it what they like. What is taken out here is stored nowhere and told to nobody.
"""

from __future__ import annotations

import json
import re
from typing import Any

from core.logs import REDACTED, SECRET_NAMES, redacted

# How much of it is read.
MAX_CHARS = 4_000
_MAX_SHOWN = 1_000
_MAX_DEPTH = 8

_NAMES = re.compile(
    rf"{SECRET_NAMES.pattern}|passw|passphrase|credential"
    r"|(?:api|private|access)[-_ ]?key|\b(?:otp|pin)\b",
    re.IGNORECASE,
)
# In what is no JSON: what looks like a name, and what follows it. Each word is read once.
_NAMED = re.compile(r"(?<![\w-])([\w-]++)[\"']?\s*+[:=]\s*+")
_VALUE = re.compile(r"\"(?:[^\"\\]|\\.)*+\"?|'[^']*+'?|[^\s,;}]++")
_TOKENS = re.compile(
    r"-----BEGIN[\s\S]*"
    r"|\b(?:gh[a-z]_|github_pat_|glpat-|sk-|xox[a-z]-|ya29\.|AKIA|ASIA|AIza)[\w.-]{8,}"
    r"|\b[0-9a-fA-F]{32,}\b"
    # Long, and with small letters, capitals and digits: nobody writes that.
    r"|(?<![\w+/=-])(?=[\w+/=-]*[0-9])(?=[\w+/=-]*[A-Z])(?=[\w+/=-]*[a-z])[\w+/=-]{24,}"
)


def shown(raw: str) -> str:
    """Return `raw`, the JSON with which a tool was called, as it may be shown; empty: with nothing.

    What is no JSON is shown as text. Of JSON that is not whole nobody knows which part names what.
    """
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        if raw.lstrip().startswith(("{", "[")):
            return "…"
        return _bounded(_masked(_without_values(raw[:MAX_CHARS])).strip())
    if value in ({}, [], "", None):
        return ""
    return _bounded(json.dumps(_without_secrets(value, 0), ensure_ascii=False, indent=2))


def _without_values(text: str) -> str:
    """Return `text` without what follows a name that looks secret."""
    kept, at = "", 0
    for named in _NAMED.finditer(text):
        value = _VALUE.match(text, named.end())
        if named.start() >= at and value and _NAMES.search(named[1]):
            kept += text[at : named.end()] + REDACTED
            at = value.end()
    return kept + text[at:]


def _without_secrets(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {
            _masked(name): REDACTED if _NAMES.search(name) else _without_secrets(each, depth + 1)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(each, depth + 1) for each in value]
    return _masked(value) if isinstance(value, str) else value


def _masked(text: str) -> str:
    return _TOKENS.sub(REDACTED, redacted(text))


def _bounded(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
