"""Which agent and endpoint the path of a request names, and what of it is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from urllib.parse import parse_qs, unquote

from agents.arns import agent_id_of
from agents.errors import AgentUnknown
from agents.models.registry import DEFAULT_ENDPOINT
from core.errors import InvalidRequest

# One segment, as AWS's clients send an ARN, or an ARN as it is.
_ONE = r"(?:[^/]+|arn:[^/]+/[^/]+(?:/runtime-endpoint/[^/]+)?)"
_INVOCATIONS = r"/runtimes/(?P<named>.+)/invocations"
# With a slash behind it, less is one: an endpoint may be called `invocations`, and the path of what
# is done with it ends in one.
_WITH_SLASH = rf"(?=/runtimes/{_ONE}/invocations/\Z)"
_AGENT_CARD = "/.well-known/agent-card.json"
_AGENT_ID = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,47}-[a-zA-Z0-9]{10}")
_ENDPOINT = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,47}")
_BETWEEN = "/runtime-endpoint/"
_MAX_QUERY_FIELDS = 20
# The same few paths come again and again, and strangers may send any.
_MAX_KEPT = 1024


class Way(Enum):
    """What of an agent is asked for."""

    INVOCATION = re.compile(rf"(?:{_WITH_SLASH}|(?!.*/\Z)){_INVOCATIONS}/?")
    CARD = re.compile(_INVOCATIONS + re.escape(_AGENT_CARD))
    STOP = re.compile(r"/runtimes/(?P<named>.+)/stopruntimesession")
    WEB_SOCKET = re.compile(r"/runtimes/(?P<named>.+)/ws")


@dataclass(frozen=True, slots=True)
class Address:
    """An agent's endpoint, and how the caller named it.

    `path` is that of an invocation, as the caller has it; it holds nothing but letters, digits and
    `-_:/%`. `in_query`: nothing but the query names the endpoint.
    """

    agent_id: str
    endpoint: str
    path: str
    way: Way = Way.INVOCATION
    in_query: bool = False


def way_of(raw_path: str) -> Way | None:
    """Return what a raw path asks an agent for, or None where it is no agent's."""
    way, _ = _read(raw_path)
    return way


@lru_cache(maxsize=_MAX_KEPT)
def _read(raw_path: str) -> tuple[Way | None, str]:
    """Return what `way_of` does, and the part of the path that names the agent."""
    for way in Way:
        if match := way.value.fullmatch(raw_path):
            return way, match["named"]
    return None, ""


def is_invocation(raw_path: str) -> bool:
    """Say whether a raw path is that of an invocation."""
    return Way.INVOCATION.value.fullmatch(raw_path) is not None


def address_of(raw_path: str, query: str) -> Address:
    """Return what a raw path of an agent and its query name.

    An endpoint other than `DEFAULT` is named by the query, as at AWS, or by its own ARN, for
    clients that are given a URL without a query.

    Raises:
        AgentUnknown: it names none that could be ours.
        InvalidRequest: it names more than one endpoint.
    """
    way, in_path = _read(raw_path)
    if way is None:
        raise AgentUnknown(detail="not an agent of this site")
    named, _, of_path = (agent_id_of(unquote(in_path)) or "").partition(_BETWEEN)
    if not _AGENT_ID.fullmatch(named):
        raise AgentUnknown(detail="not an agent of this site")
    of_query = _qualifier(query)
    if of_path and of_query not in {"", of_path}:
        raise InvalidRequest("The path and the parameter 'qualifier' name different endpoints.")
    endpoint = of_path or of_query or DEFAULT_ENDPOINT
    if not _ENDPOINT.fullmatch(endpoint):
        raise AgentUnknown(detail="not the name of an endpoint")
    return Address(
        agent_id=named,
        endpoint=endpoint,
        path=raw_path if way is Way.INVOCATION else f"/runtimes/{in_path}/invocations",
        way=way,
        in_query=not of_path and endpoint != DEFAULT_ENDPOINT,
    )


def _qualifier(query: str) -> str:
    """Return the endpoint that the query names; empty: none. Raises InvalidRequest."""
    if not query:
        return ""
    try:
        fields = parse_qs(query, keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError:
        raise InvalidRequest("The query has too many parameters.") from None
    named = fields.get("qualifier", [])
    if len(named) > 1:
        raise InvalidRequest("The parameter 'qualifier' stands more than once.")
    if named == [""]:
        raise AgentUnknown(detail="not the name of an endpoint")
    return named[0] if named else ""
