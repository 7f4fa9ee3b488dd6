"""Where agents last used what a person connected: in which of their conversations, or outside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from core.models import User
from portal.models import CHAT_SESSION, Conversation
from portal.selectors import kept_in
from vault.holdings.selectors import Connection


@dataclass(frozen=True, slots=True)
class LastUse:
    """Where a connection was last used; `conversation` while the person keeps it.

    Neither in the chat nor in a conversation means that another program called the agent.
    """

    in_chat: bool
    conversation: Conversation | None = None


def last_uses_of(user: User, connections: Iterable[Connection]) -> dict[UUID, LastUse]:
    """Return by connection where it was last used, of those whose session was noted.

    A conversation is told of to nobody but its own person, whatever session a caller named.
    """
    sessions = {
        one.id: one.last_used_session for one in connections if one.last_used_session is not None
    }
    found = kept_in(user, sessions=set(sessions.values()))
    by_session = {conversation.runtime_session_id: conversation for conversation in found}
    return {
        connection_id: LastUse(session.startswith(CHAT_SESSION), by_session.get(session))
        for connection_id, session in sessions.items()
    }
