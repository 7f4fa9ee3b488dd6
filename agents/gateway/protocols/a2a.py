"""A2A: JSON-RPC at the agent's base URL, and a card that says what the agent can do.

The card is rewritten: whoever reads it here is to come back here, and with a token that this site
asks for. What the gateway does not carry (gRPC, HTTP+JSON, an extended card) is left out, and so is
a signature, which was made of what the agent said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agents.gateway.messages import Answer
from agents.gateway.metadata import advertised_scopes
from agents.gateway.protocols import jsonrpc
from agents.gateway.protocols.protocol import Protocol, as_the_wire_api
from agents.models import AgentVersion
from agents.snapshot import Deployed
from core.errors import AppError, UpstreamFailed

_JSONRPC = "JSONRPC"
_SCHEME = "daiko"
_REQUIREMENTS = ("securityRequirements", "security")
# Those of the real service, with real statuses. The protocol's own are of tasks and end at -32009,
# so its clients take these for an error of whoever carries them.
_CODES: Mapping[str, int] = {
    "ResourceNotFoundException": -32051,
    "ValidationException": -32052,
    "ThrottlingException": -32053,
    "ConflictException": -32054,
    "RetryableConflictException": -32054,
    "RuntimeClientError": -32055,
}
_INTERNAL = -32603


class CardUnreadable(UpstreamFailed):
    """What the agent says of itself is no agent card, or is of nothing that is carried here."""

    code = "card_unreadable"


def _refuse(
    error: AppError,
    *,
    request_id: str,
    extra: Mapping[str, str],
    method: str,
    rpc_id: str | int | None,
) -> Answer:
    """Return a refusal with the error's own status.

    What is refused for want of credentials is said as HTTP has it, and so is the card's refusal:
    neither is an answer to a JSON-RPC request.
    """
    if method != "POST" or error.aws in {"UnauthorizedException", "AccessDeniedException"}:
        return as_the_wire_api(
            error, request_id=request_id, extra=extra, method=method, rpc_id=rpc_id
        )
    return jsonrpc.failure(
        error,
        code=_CODES.get(error.aws, _INTERNAL),
        status=None,
        rpc_id=rpc_id,
        request_id=request_id,
        extra=extra,
    )


def _broken(
    error: AppError, *, last: bytes | None, rpc_id: str | int | None
) -> dict[str, Any] | None:
    """Return the error that ends a stream: every event of it answers the same request."""
    code = _CODES.get(error.aws, _INTERNAL)
    return jsonrpc.broken(error, code=code, last=last, rpc_id=rpc_id)


def rewritten(card: bytes, deployed: Deployed, url: str) -> bytes:
    """Return the agent's card as one of what is reached at `url`, in either form of the protocol.

    Raises:
        CardUnreadable: it is no card, or speaks of no interface that is carried.
    """
    try:
        told = json.loads(card)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise CardUnreadable("The agent's card is not a JSON object.")
    for name in ("signatures", "securitySchemes", *_REQUIREMENTS):
        told.pop(name, None)
    for skill in told["skills"] if isinstance(told.get("skills"), list) else []:
        for name in _REQUIREMENTS if isinstance(skill, dict) else ():
            skill.pop(name, None)
    # Left in, it would send a client for a card that nobody rewrote.
    told.pop("supportsAuthenticatedExtendedCard", None)
    if isinstance(told.get("capabilities"), dict):
        told["capabilities"].pop("extendedAgentCard", None)
    _interfaces(told, url)
    _security(told, deployed)
    try:
        return json.dumps(told, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape and nothing can send
        raise CardUnreadable("The agent's card holds what is no text.") from None


def _interfaces(told: dict[str, Any], url: str) -> None:
    """Let every interface of the card be ours. Raises CardUnreadable."""
    carried = False
    if "supportedInterfaces" in told:  # A2A 1.0
        told["supportedInterfaces"] = _ours(told["supportedInterfaces"], "protocolBinding", url)
        carried = bool(told["supportedInterfaces"])
    # Before 1.0 the card has one URL, whose transport is JSON-RPC unless it says otherwise.
    more = _ours(told.pop("additionalInterfaces", None), "transport", url)
    preferred = told.pop("preferredTransport", _JSONRPC)
    if told.pop("url", None) is not None and (preferred == _JSONRPC or more):
        told |= {"url": url, "preferredTransport": _JSONRPC}
        carried = True
    if not carried:
        raise CardUnreadable("The agent's card names no interface of JSON-RPC.")


def _ours(interfaces: Any, kind: str, url: str) -> list[dict[str, Any]]:
    listed = interfaces if isinstance(interfaces, list) else []
    return [
        {**each, "url": url}
        for each in listed
        if isinstance(each, dict) and each.get(kind) == _JSONRPC
    ]


def _security(told: dict[str, Any], deployed: Deployed) -> None:
    """Say how a caller proves themselves here: with a bearer token of the version's issuer.

    A signature with an access key is nothing that a card can say.
    """
    if deployed.auth_mode != AgentVersion.AuthMode.JWT:
        return
    scopes = advertised_scopes(deployed)
    where = {"openIdConnectUrl": deployed.authorizer.discovery_url}
    if "supportedInterfaces" in told:
        told["securitySchemes"] = {_SCHEME: {"openIdConnectSecurityScheme": where}}
        told["securityRequirements"] = [{"schemes": {_SCHEME: {"list": scopes}}}]
    else:
        told["securitySchemes"] = {_SCHEME: {"type": "openIdConnect", **where}}
        told["security"] = [{_SCHEME: scopes}]


PROTOCOL = Protocol(
    path="/",
    sent=frozenset({"a2a-version", "a2a-extensions", "x-a2a-extensions", "last-event-id"}),
    answered=frozenset({"a2a-version", "a2a-extensions", "x-a2a-extensions"}),
    refuse=_refuse,
    with_id=True,
    broken=_broken,
    card_path="/.well-known/agent-card.json",
    card=rewritten,
)
