"""Who is calling, as the platform says from the claims that it verified.

Daiko sets these headers itself, on agents whose header allow-list names them, and drops whatever
a client sent under the same name. They are worth exactly as much as the wall around the agent:
it must be reachable by Daiko alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

_PREFIX = "x-amzn-bedrock-agentcore-runtime-custom-user-"


@dataclass(frozen=True)
class Caller:
    """The person an agent answers. `user_id` is an opaque identifier, `name` is for display."""

    user_id: str
    name: str
    groups: frozenset[str]


def caller_from(headers: Mapping[str, str] | None) -> Caller | None:
    """Return the caller that `headers` name, or None when they name nobody.

    Values are percent-encoded UTF-8; groups are separated by commas. A header that cannot be
    decoded makes the caller unknown, rather than somebody else.
    """
    told = {
        name.lower().removeprefix(_PREFIX): value
        for name, value in (headers or {}).items()
        if name.lower().startswith(_PREFIX)
    }
    try:
        user_id = unquote(told.get("id", ""), errors="strict")
        name = unquote(told.get("name", ""), errors="strict")
        groups = frozenset(
            unquote(group.strip(), errors="strict")
            for group in told.get("groups", "").split(",")
            if group.strip()
        )
    except UnicodeDecodeError:
        return None
    return Caller(user_id, name, groups) if user_id else None
