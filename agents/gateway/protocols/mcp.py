"""MCP: streamable HTTP, for ordinary clients. An agent is one server, at one URL.

The agent's own answers pass as they are, also those with an error status that the transport gives a
meaning to: that a session is over (404), that there is no stream to read (405). A 401 or 403 of the
agent is its failure: passed on, it would send the client to sign in at the wrong door.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.gateway.messages import Answer, Inbound
from agents.gateway.protocols import jsonrpc
from agents.gateway.protocols.protocol import Protocol
from agents.sessions.errors import ServerSessionForeign
from core.errors import AppError, InvalidRequest

_JSON, _EVENTS = "application/json", "text/event-stream"
_SESSION = "mcp-session-id"
_HTTP_OK, _HTTP_NOT_ACCEPTABLE = 200, 406
# What the real service answers: the JSON-RPC code, and the status where it is not the error's own.
_CODES: Mapping[str, tuple[int, int | None]] = {
    "UnauthorizedException": (-32001, None),
    "AccessDeniedException": (-32002, None),
    "ThrottlingException": (-32003, _HTTP_OK),
    "ResourceNotFoundException": (-32004, _HTTP_OK),
    "ConflictException": (-32005, _HTTP_OK),
    "RetryableConflictException": (-32005, _HTTP_OK),
    "ValidationException": (-32006, _HTTP_OK),
    "RuntimeClientError": (-32010, _HTTP_OK),
}
_NOT_ACCEPTABLE, _INTERNAL = -32011, -32603


class NotAcceptable(InvalidRequest):
    """The client takes JSON or a stream, and not whichever of the two the agent answers."""

    code = "not_acceptable"

    def __init__(self) -> None:
        super().__init__(f"The header Accept has to name {_JSON} and {_EVENTS}.")


def _check(inbound: Inbound) -> None:
    """Refuse a POST that does not take both kinds of answer. Raises NotAcceptable."""
    if inbound.method != "POST":
        return
    accept = ",".join(value for name, value in inbound.headers if name == "accept")
    taken = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    for kind in (_JSON, _EVENTS):
        if taken.isdisjoint({kind, f"{kind.partition('/')[0]}/*", "*/*"}):
            raise NotAcceptable


def _refuse(
    error: AppError,
    *,
    request_id: str,
    extra: Mapping[str, str],
    method: str,
    rpc_id: str | int | None,
) -> Answer:
    """Return a refusal as the client of a server expects it.

    An error in answer to a POST is an answer to its JSON-RPC request. A GET and a DELETE are no
    such request, so their status is what says it.
    """
    code, status = _CODES.get(error.aws, (_INTERNAL, None))
    if isinstance(error, NotAcceptable):
        code, status = _NOT_ACCEPTABLE, _HTTP_NOT_ACCEPTABLE
    elif isinstance(error, ServerSessionForeign):
        status = error.status  # by which the client knows that it has to begin another session
    return jsonrpc.failure(
        error,
        code=code,
        status=status if method == "POST" else None,
        rpc_id=rpc_id,
        request_id=request_id,
        extra=extra,
    )


def _broken(
    error: AppError, *, last: bytes | None, rpc_id: str | int | None
) -> dict[str, Any] | None:
    """Return the error that answers a request whose stream broke off, unless it is answered."""
    if last is not None and jsonrpc.answers(last, rpc_id):
        return None
    code, _status = _CODES.get(error.aws, (_INTERNAL, None))
    return jsonrpc.broken(error, code=code, last=last, rpc_id=rpc_id)


PROTOCOL = Protocol(
    path="/mcp",
    methods=frozenset({"POST", "GET", "DELETE"}),
    sent=frozenset({_SESSION, "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id"}),
    answered=frozenset({_SESSION, "mcp-protocol-version", "allow"}),
    statuses=frozenset({202, 204, 400, 404, 405, 406, 409, 415}),
    check=_check,
    session=_SESSION,
    refuse=_refuse,
    with_id=True,
    broken=_broken,
)
