"""How a failure of one request is said: in its agent's protocol, once that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agents.gateway.messages import Answer, Chunks, Inbound
from agents.gateway.protocols import events, http
from agents.gateway.protocols.jsonrpc import Heard
from agents.gateway.protocols.protocol import Protocol
from core.errors import AppError


class Refusing:
    """Answers a request that is refused, or that fails once its answer has begun."""

    def __init__(self, inbound: Inbound, *, request_id: str) -> None:
        self._method = inbound.method
        self._request_id = request_id
        self._protocol: Protocol = http.PROTOCOL
        self._heard: Heard | None = None

    def learn(self, protocol: Protocol, inbound: Inbound) -> Inbound:
        """Take the protocol; return the request, of whose body is kept what a refusal needs."""
        self._protocol = protocol
        if not protocol.with_id or inbound.method != "POST":
            return inbound
        self._heard = Heard(inbound.body)
        return replace(inbound, body=self._heard)

    async def answer(self, error: AppError, *, extra: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a request that `error` refuses, with headers of its own."""
        return self._protocol.refuse(
            error,
            request_id=self._request_id,
            extra=extra or {},
            method=self._method,
            rpc_id=await self._heard.id() if self._heard else None,
        )

    def ended(self, stream: Chunks) -> Chunks | None:
        """Return a stream of events that says so where it breaks off; None: it cannot be said."""
        broken, rpc_id = self._protocol.broken, self._heard.known_id() if self._heard else None
        if broken is None or (self._protocol.with_id and rpc_id is None):
            return None

        def tell(error: AppError, last: bytes | None) -> Mapping[str, Any] | None:
            return broken(error, last=last, rpc_id=rpc_id)

        return events.ended(stream, tell)
