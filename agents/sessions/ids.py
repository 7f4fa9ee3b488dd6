"""Ids of sessions that this site makes, and that nobody begins a session under by naming them.

One that it gives out proves whose it is: the row of such a session can be forgotten, and still
nobody else begins one under its id. One that stands for a session of an agent's own server proves
nothing, and neither does what a client chose for an id: those rows stay.
"""

from __future__ import annotations

import re
import secrets
from hashlib import sha256

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from core.subject import Subject

_ALLOCATED = re.compile(r"session-([0-9a-f]{32})-([0-9a-f]{32})")
_OF_SERVER = re.compile(r"mcp-[0-9a-f]{64}")
_PROOF_CHARS = 32


def allocate(*, agent_id: str, owner: Subject) -> str:
    """Return a new id, which nobody guesses, for a session of `owner`."""
    nonce = secrets.token_hex(16)
    return f"session-{nonce}-{_proof(nonce, agent_id, owner, settings.SECRET_KEY)}"


def of_server(*, url: str, given: str) -> str:
    """Return the id that a session has here which the server at `url` gave an id of its own."""
    return f"mcp-{sha256(f'{url} {given}'.encode()).hexdigest()}"


def is_of_our_shape(session_id: str) -> bool:
    """Say whether an id looks like one that this site made."""
    return any(shape.fullmatch(session_id) for shape in (_ALLOCATED, _OF_SERVER))


def is_allocated(session_id: str, *, agent_id: str, owner: Subject) -> bool:
    """Say whether this site gave the id to `owner` for a session with this agent."""
    found = _ALLOCATED.fullmatch(session_id)
    if found is None:
        return False
    nonce, shown = found.groups()
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(constant_time_compare(shown, _proof(nonce, agent_id, owner, key)) for key in keys)


def _proof(nonce: str, agent_id: str, owner: Subject, key: str | bytes) -> str:
    said = f"{nonce}:{agent_id}:{owner.owner}"
    digest = salted_hmac("agents.sessions.ids", said, secret=key, algorithm="sha256").hexdigest()
    return digest[:_PROOF_CHARS]
