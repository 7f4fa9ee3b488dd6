"""What the gateway asks of a protocol: one interface, and what most of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents.gateway.messages import Answer, Inbound, refusal
from agents.snapshot import Deployed
from core.errors import AppError

# (the error, its request's id, headers of its own, the `id` of the request where there is one)
Refuse = Callable[..., Answer]
# (the error, the last event that passed, the `id` of the request)
Broken = Callable[..., Mapping[str, Any] | None]


def as_the_wire_api(
    error: AppError,
    *,
    request_id: str,
    extra: Mapping[str, str],
    method: str,
    rpc_id: str | int | None,
) -> Answer:
    """Return a refusal in the words of the wire API."""
    return refusal(error, request_id=request_id, extra=extra)


def _anything(inbound: Inbound) -> None:
    """Refuse nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How agents of one kind are called, and what passes on the way.

    `path` is where an agent answers, unless its version says otherwise. Of the request's headers
    `sent` pass whatever the allow-list, of the answer's those in `answered`. A status in `statuses`
    means something to the protocol, and passes as it is; of others, success is 200 and an error is
    the agent's failure. `check` refuses what no agent of this kind would understand.

    `web_socket` is where an agent takes a connection that stays open, if it does.
    `session` is the header in which a server gives a session an id of its own, and its client
    sends it back.
    `with_id` says that refusals answer a request by its JSON-RPC id. `broken` is the event that
    ends a stream which broke off, or None where nothing can be said. `card` turns the agent's
    description of itself, which is at `card_path`, into one of what is reached here.
    """

    path: str
    methods: frozenset[str] = frozenset({"POST"})
    sent: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    check: Callable[[Inbound], None] = _anything
    refuse: Refuse = as_the_wire_api
    session: str = ""
    with_id: bool = False
    broken: Broken | None = None
    web_socket: str = ""
    card_path: str = ""
    card: Callable[[bytes, Deployed, str], bytes] | None = None
