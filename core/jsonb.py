"""JSON as PostgreSQL keeps it: Python's takes more than its text and `jsonb` do."""

from __future__ import annotations

import json
from typing import Any


def dumps(value: Any) -> str:
    """Return `value` as JSON of what `storable` makes of it."""
    text = json.dumps(value)
    return text if is_storable(text) else json.dumps(storable(value))


def is_storable(text: str) -> bool:
    """Say whether PostgreSQL takes a JSON text of `json.dumps`; where it says so, it does.

    Hardly any text is odd, and looking at all of it at once costs next to nothing.
    """
    return "\\u0000" not in text and "\\ud" not in text


def storable(value: Any) -> Any:
    """Return `value` with U+FFFD or a question mark for what PostgreSQL does not hold.

    That is null characters and halves of surrogate pairs, also deep within `value`.
    """
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(str(name)): storable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable(inner) for inner in value]
    return value
