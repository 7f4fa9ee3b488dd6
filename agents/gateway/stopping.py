"""StopRuntimeSession: a session is ended by its owner, who proves that as for a call to the agent.

It is not an operation of the rest of the wire API, which asks for access keys alone.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from django.db import DatabaseError

from agents.gateway import callers, headers
from agents.gateway.callers import Caller
from agents.gateway.decision import Record, length_of, recorded, session_named
from agents.gateway.messages import Answer, Inbound, one_chunk, refusal
from agents.gateway.upstream import Body
from agents.keys.operations import STOP
from agents.models import RuntimeSession
from agents.sessions import stopping
from agents.sessions.at_aws import stop_at_aws
from core import database, inert, reference
from core.audit import Actor
from core.errors import AppError, InvalidRequest, TooLarge
from core.recent import RegistryUnavailable

log = logging.getLogger(__name__)

_MAX_BODY_BYTES = 16 * 1024


async def stop(inbound: Inbound, *, held: AsyncExitStack) -> Answer:
    """Return the answer to one request to stop a session. A refusal is an answer too, on record.

    Stopping what is over already changes nothing and succeeds, so that a client may try again. For
    an agent on AWS the session there is ended too.

    Raises:
        AuditUnavailable: a refusal could not be put on record.
    """
    request_id = reference.current().id
    record = Record("agent.session.stop")
    try:
        address, deployed = await record.find(inbound)
        caller, _ = await callers.admitted(
            inbound,
            deployed,
            body=Body(_small(inbound.body), length=length_of(inbound)),
            held=held,
            learn=record.learn,
            operation=STOP,
        )
        session_id = session_named(inbound)
        if session_id is None:
            raise InvalidRequest(f"The header {headers.SESSION!r} is missing.")
        record.note(session=session_id)
        await _stop(address.agent_id, session_id, caller)
    except AppError as error:
        log.info("agent.session.stop_refused", extra={"reason": error.code, "detail": error.detail})
        told = await recorded(error, record.event)
        return refusal(told, request_id=request_id, extra=record.challenge(told))
    return Answer(
        200,
        [
            ("content-type", "application/json"),
            ("content-length", "2"),
            ("cache-control", "no-store"),
            *inert.HEADERS,
            (headers.SESSION, session_id),
            ("x-amzn-requestid", request_id),
        ],
        one_chunk(b"{}"),
    )


async def _stop(agent_id: str, session_id: str, caller: Caller) -> None:
    """Stop a session of the caller's; an operator's key, used in nobody's name, stops anybody's.

    Raises:
        RuntimeSessionUnknown: there is none, or it is another's.
        StillAtAws: it was stopped here alone.
        AuditUnavailable, RegistryUnavailable: nothing was stopped.
    """
    owner = None if caller.is_operator else caller.owner
    by = Actor(caller.name or caller.client, caller.subject)

    def here(_: None) -> RuntimeSession:
        session = stopping.session_of(agent_id=agent_id, session_id=session_id, owner=owner)
        stopping.session_stop(session=session, actor=by, client=caller.client)
        return session

    def there(session: RuntimeSession) -> None:
        stop_at_aws(session, token_of=lambda: caller.user_token, actor=by, client=caller.client)

    try:
        session = await database.on_thread(here, None)
        await database.on_thread(there, session, may_wait=True)
    except DatabaseError as exc:
        raise RegistryUnavailable(detail=type(exc).__name__) from exc


async def _small(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the body, which holds a client's token at the most. Raises TooLarge."""
    seen = 0
    async for chunk in body:
        seen += len(chunk)
        if seen > _MAX_BODY_BYTES:
            raise TooLarge(f"The request has more than {_MAX_BODY_BYTES} bytes.")
        yield chunk
