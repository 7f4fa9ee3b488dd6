"""What was said before, by person and session; kept in the process and bounded."""

import copy
from collections import OrderedDict

from strands.types.content import Messages

from demo.agents.caller import Caller


class Conversations:
    """The last `capacity` conversations; the one that was silent longest goes first.

    The key holds the person as well as the session, so that somebody else's session id shows
    nothing. Without a known person, or without a session, nothing is remembered. How long one
    conversation grows is bounded by Strands' own sliding window over the messages.
    """

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._held: OrderedDict[tuple[str, str], Messages] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def recall(self, caller: Caller | None, session_id: str | None) -> Messages:
        """Return a copy of what `caller` and the agent said in this session so far."""
        key = _key(caller, session_id)
        if key is None or key not in self._held:
            return []
        self._held.move_to_end(key)
        return copy.deepcopy(self._held[key])

    def keep(self, caller: Caller | None, session_id: str | None, messages: Messages) -> None:
        """Keep `messages` as the whole of this session."""
        key = _key(caller, session_id)
        if key is None:
            return
        self._held[key] = copy.deepcopy(messages)
        self._held.move_to_end(key)
        while len(self._held) > self._capacity:
            self._held.popitem(last=False)


def _key(caller: Caller | None, session_id: str | None) -> tuple[str, str] | None:
    return (caller.user_id, session_id) if caller and session_id else None
