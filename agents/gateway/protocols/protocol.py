"""What the gateway asks of a protocol: one interface, and what most of them have in common."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

from agents.gateway.messages import Answer, Inbound, refusal
from agents.snapshot import Deployed
from core.errors import AppError

# (the error, its request's id, headers of its own, the `id` of the request where there is one)
Refuse = Callable[..., Answer]


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


def _nowhere(inbound: Inbound) -> None:
    """Return no session: the protocol has none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How agents of one kind are called, and what passes on the way.

    `path` is where an agent answers, unless its version says otherwise. Of the request's headers
    `sent` pass whatever the allow-list, of the answer's those in `answered`. A status in `statuses`
    means something to the protocol, and passes as it is; of others, success is 200 and an error is
    the agent's failure. `check` refuses what no agent of this kind would understand.

    `web_socket` is where an agent takes a connection that stays open, if it does.
    `session` is the runtime session of a call that names one in the protocol's own way alone.
    `with_id` says that refusals answer a request by its JSON-RPC id. `ended_by` turns a stream of
    events that broke off into one that says so. `card` turns the agent's description of itself,
    which is at `card_path`, into one of what is reached here.
    """

    path: str
    methods: frozenset[str] = frozenset({"POST"})
    sent: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    check: Callable[[Inbound], None] = _anything
    refuse: Refuse = as_the_wire_api
    session: Callable[[Inbound], str | None] = _nowhere
    with_id: bool = False
    ended_by: Callable[[AsyncGenerator[bytes]], AsyncGenerator[bytes]] | None = None
    web_socket: str = ""
    card_path: str = ""
    card: Callable[[bytes, Deployed, str], bytes] | None = None
