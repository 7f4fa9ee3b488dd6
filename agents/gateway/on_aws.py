"""The way out to an agent that runs on AWS, in place of the one to a URL."""

from __future__ import annotations

from contextlib import AsyncExitStack

from agents.aws import calls, places
from agents.errors import AgentUnknown
from agents.gateway.callers import Caller
from agents.gateway.upstream import Body
from agents.snapshot import Deployed
from core.wire.respond import Headers


async def way_out(
    deployed: Deployed,
    caller: Caller,
    *,
    method: str,
    below: str,
    sent: Headers,
    body: Body,
    session_id: str,
    held: AsyncExitStack,
) -> tuple[str, Headers, Body]:
    """Return the URL, the headers and the body of the call. Where it is signed, reads the body.

    Raises:
        AppError: there is nothing to call it with, or the body does not come.
    """
    place = places.place_at(deployed.url)
    if place is None:
        raise AgentUnknown(detail="its version names no place")
    call = await calls.prepared(
        place,
        called_with=deployed.called_with,
        method=method,
        below=below,
        headers=sent,
        subject=caller.subject,
        user_token=caller.user_token,
        session_id=calls.session_id_of(session_id, caller.owner),
        body=body,
        length=body.length,
        held=held,
    )
    return call.url, call.headers, Body(call.body, length=call.length)
