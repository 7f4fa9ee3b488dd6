"""Which agent and endpoint the path of a request names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from agents.arns import agent_id_of
from agents.errors import AgentUnknown
from agents.models.registry import DEFAULT_ENDPOINT
from core.errors import InvalidRequest

_PATH = re.compile(r"/runtimes/(?P<named>.+)/invocations")
_AGENT_ID = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,47}-[a-zA-Z0-9]{10}")
_ENDPOINT = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,47}")
_MAX_QUERY_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Address:
    """An agent's endpoint, and the path and query by which the caller named it.

    `target` holds nothing but letters, digits and `-_:/%?=`.
    """

    agent_id: str
    endpoint: str
    target: str


def is_invocation(raw_path: str) -> bool:
    """Say whether a raw path is that of an invocation."""
    return _PATH.fullmatch(raw_path) is not None


def address_of(raw_path: str, query: str) -> Address:
    """Return what a raw invocation path and its query name.

    Raises:
        AgentUnknown: it names none that could be ours.
        InvalidRequest: it names more than one endpoint.
    """
    match = _PATH.fullmatch(raw_path)
    agent_id = agent_id_of(unquote(match["named"])) if match else None
    if not agent_id or not _AGENT_ID.fullmatch(agent_id):
        raise AgentUnknown(detail="not an agent of this site")
    try:
        fields = parse_qs(query, keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError:
        raise InvalidRequest("The query has too many parameters.") from None
    named = fields.get("qualifier", [])
    if len(named) > 1:
        raise InvalidRequest("The parameter 'qualifier' stands more than once.")
    if not named:
        return Address(agent_id, DEFAULT_ENDPOINT, raw_path)
    if not _ENDPOINT.fullmatch(named[0]):
        raise AgentUnknown(detail="not the name of an endpoint")
    return Address(agent_id, named[0], f"{raw_path}?qualifier={named[0]}")
