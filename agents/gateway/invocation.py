"""One invocation, in the order of design section 6. Deny by default; record, then forward."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, quote, unquote

from django.conf import settings

from agents import access_keys, authorizer, snapshot, workload
from agents.arns import agent_id_of, runtime_arn
from agents.errors import (
    AgentDisabled,
    AgentUnknown,
    AuthModeMismatch,
    PersonDisabled,
    WorkloadDisabled,
)
from agents.gateway import headers, upstream
from agents.gateway.messages import Answer, Inbound, refusal
from agents.models.registry import DEFAULT_ENDPOINT, AgentVersion
from agents.snapshot import Deployed
from core import audit, crypto, database, reference
from core.errors import AppError, InvalidRequest, TooLarge, Unauthorized
from core.secret import Secret
from core.subject import Subject

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 100 * 1024 * 1024  # the wire API's own limit
CALLBACK_PATH = "/connections/complete/"
_SESSION_CHARS = (33, 256)
_PATH_PREFIX, _PATH_SUFFIX = "/runtimes/", "/invocations"


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who calls: a person by their token, or a process by its access key."""

    subject: Subject | None
    name: str
    groups: frozenset[str]
    client: str


class MissingToken(Unauthorized):
    """There are no credentials at all."""

    code = "missing_token"
    message = "Missing Authentication Token"


def endpoint_of(raw_path: str, query: str) -> tuple[str, str]:
    """Return (agent id, endpoint name) that a raw invocation path names.

    Raises:
        AgentUnknown: it names none that could be ours.
    """
    named = unquote(raw_path[len(_PATH_PREFIX) : -len(_PATH_SUFFIX)])
    agent_id = agent_id_of(named)
    if not agent_id:
        raise AgentUnknown(detail="not an ARN of this site")
    qualifier = parse_qs(query).get("qualifier", [DEFAULT_ENDPOINT])[0]
    return agent_id, qualifier


def is_invocation(raw_path: str) -> bool:
    """Say whether a raw path is that of an invocation."""
    return raw_path.startswith(_PATH_PREFIX) and raw_path.endswith(_PATH_SUFFIX)


@dataclass(frozen=True, slots=True)
class _Decision:
    """The call may go through, as `event` says; these headers go with it."""

    deployed: Deployed
    event: audit.Event
    sent: headers.Headers
    session_id: str


async def invoke(inbound: Inbound, *, held: AsyncExitStack) -> Answer:
    """Return the answer to one invocation. Closing `held` closes the way to the agent.

    A refusal is an answer too. Every one of them is on record, and nothing is sent to the agent
    before the decision to let the call through is.
    """
    began = time.monotonic()
    request_id = reference.current().id
    decision = await _decide(inbound, request_id)
    if isinstance(decision, Answer):
        return decision
    url = decision.deployed.url.rstrip("/") + "/invocations"
    try:
        reply = await held.enter_async_context(
            upstream.opened(url, headers=decision.sent, body=_bounded(inbound.body))
        )
    except AppError as error:
        await _record_end(decision.event, began, error=error)
        return refusal(error, request_id=request_id)
    return Answer(
        200,
        [
            ("content-type", reply.headers.get("content-type", "application/octet-stream")),
            ("cache-control", "no-store"),
            (headers.SESSION, decision.session_id),
            ("x-amzn-requestid", request_id),
            ("x-accel-buffering", "no"),
        ],
        _told(upstream.chunks(reply), decision.event, began),
    )


async def _decide(inbound: Inbound, request_id: str) -> _Decision | Answer:
    """Return the decision to let the call through, on record, or the refusal, on record."""
    event = audit.Event("agent.invocation")
    deployed: Deployed | None = None
    try:
        agent_id, endpoint = endpoint_of(inbound.raw_path, inbound.query)
        event = replace(event, agent=agent_id[:128])
        deployed = await snapshot.deployed(agent_id, endpoint)
        if deployed is None:
            raise AgentUnknown(detail="not registered")
        caller = await _authenticate(inbound, deployed)
        event = replace(
            event,
            subject=caller.subject,
            client=caller.client,
            workload=deployed.workload_name,
            detail={"version": deployed.version, "endpoint": deployed.endpoint},
        )
        await _authorize(caller, deployed)
        session_id = _session_id(inbound)
        _check_length(inbound)
        identity = headers.Identity(
            token=await _workload_token(deployed, caller.subject, session_id),
            subject=caller.subject,
            name=caller.name,
            groups=caller.groups,
            session_id=session_id,
            request_id=request_id,
            callback_url=settings.SITE_URL + CALLBACK_PATH,
            traceparent=inbound.header("traceparent") or _new_traceparent(),
        )
        sent = headers.forwarded(
            inbound.headers, allowlist=deployed.header_allowlist, identity=identity
        )
        await audit.arecord(event)
    except AppError as error:
        log.info("agent.invocation.refused", extra={"reason": error.code, "detail": error.detail})
        if not isinstance(error, audit.AuditUnavailable):
            await audit.arecord(replace(event, outcome="refused", reason=error.code))
        return refusal(error, request_id=request_id, extra=_challenge(error, deployed))
    return _Decision(deployed, event, sent, session_id)


async def _authenticate(inbound: Inbound, deployed: Deployed) -> _Caller:
    """Return who calls, proved in the way that the agent's version asks for."""
    credentials = inbound.header("authorization")
    signed = "x-amz-signature=" in inbound.query.lower() or (
        credentials is not None and credentials.startswith("AWS4-HMAC-SHA256")
    )
    if deployed.auth_mode == AgentVersion.AuthMode.SIGV4:
        if credentials is None and not signed:
            raise MissingToken
        if not signed:
            raise AuthModeMismatch
        return await _signed_caller(inbound)
    if signed:
        raise AuthModeMismatch
    if credentials is None:
        raise MissingToken
    scheme, _, token = credentials.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise MissingToken(detail=f"authorization scheme {scheme[:16]!r}")
    verified = await authorizer.verify(token.strip(), deployed.authorizer)
    known = await snapshot.person(verified.subject)
    # What the token says of groups counts; where it says nothing, what the last sign-in said.
    groups = authorizer.groups_of(verified.claims, settings.DAIKO_GROUPS_CLAIM)
    if groups is None:
        groups = known.groups if known else frozenset()
    name = known.name if known else str(verified.claims.get("name", ""))
    return _Caller(verified.subject, name, groups, verified.client_id)


async def _signed_caller(inbound: Inbound) -> _Caller:
    caller, user_id = await access_keys.invoker(inbound)
    subject = Subject.opaque(user_id) if user_id else None
    return _Caller(subject, user_id, frozenset(), caller.access_key_id)


async def _authorize(caller: _Caller, deployed: Deployed) -> None:
    """Refuse a caller who may not use the agent, and then an agent that is switched off.

    In that order: whether an agent exists is not told to somebody whom it is not for.
    """
    if caller.subject is not None and deployed.auth_mode == AgentVersion.AuthMode.JWT:
        known = await snapshot.person(caller.subject)
        if known is not None and not known.active:
            raise PersonDisabled
        if not deployed.is_for(caller.subject, caller.groups):
            raise AgentUnknown(detail="not for this person")
    if not deployed.enabled:
        raise AgentDisabled
    if not deployed.workload_enabled:
        raise WorkloadDisabled


async def _workload_token(deployed: Deployed, subject: Subject | None, session_id: str) -> Secret:
    def issue(_: None) -> Secret:
        return workload.issue(
            workload_id=deployed.workload_id,
            workload_name=deployed.workload_name,
            subject=subject,
            session_id=session_id,
        )

    return issue(None) if crypto.can_seal_without_query() else await database.on_thread(issue, None)


def _session_id(inbound: Inbound) -> str:
    given = inbound.header(headers.SESSION)
    if given is None:
        return f"session-{uuid.uuid4()}"
    shortest, longest = _SESSION_CHARS
    if len(given) < shortest:
        bound = f"greater than or equal to {shortest}"
    elif len(given) > longest:
        bound = f"less than or equal to {longest}"
    elif not given.isascii() or not given.isprintable():
        raise InvalidRequest("'runtimeSessionId' holds characters that are not printable ASCII")
    else:
        return given
    raise InvalidRequest(
        f"'runtimeSessionId' failed to satisfy constraint: Member must have length {bound}"
    )


def _check_length(inbound: Inbound) -> None:
    length = inbound.header("content-length")
    if length is not None and (not length.isdigit() or int(length) > MAX_BODY_BYTES):
        raise TooLarge(f"The request has more than {MAX_BODY_BYTES} bytes.")


async def _bounded(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the body as it comes, and refuse to go on past the limit, whatever its length said."""
    seen = 0
    async for chunk in body:
        seen += len(chunk)
        if seen > MAX_BODY_BYTES:
            raise TooLarge(f"The request has more than {MAX_BODY_BYTES} bytes.")
        yield chunk


def _new_traceparent() -> str:
    """Return a fresh trace context (W3C Trace Context section 3.2), not sampled."""
    return f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00"


async def _told(
    body: AsyncIterator[bytes], event: audit.Event, began: float
) -> AsyncGenerator[bytes]:
    """Yield the body, and put on record how it ended: whole, broken off, or not wanted any more."""
    sent_bytes = 0
    failure: AppError | None = None
    try:
        async for chunk in body:
            sent_bytes += len(chunk)
            yield chunk
    except AppError as error:
        failure = error
        raise
    finally:
        await _record_end(event, began, sent_bytes=sent_bytes, error=failure)


async def _record_end(
    event: audit.Event, began: float, *, sent_bytes: int = 0, error: AppError | None = None
) -> None:
    measured = {
        **event.detail,
        "bytes": sent_bytes,
        "duration_ms": round((time.monotonic() - began) * 1000),
    }
    if error is not None and error.detail:
        measured["failure"] = error.detail
    await audit.arecord(
        replace(
            event,
            action="agent.invocation.ended",
            outcome="failed" if error else "allowed",
            reason=error.code if error else "",
            detail=measured,
        )
    )


def _challenge(error: AppError, deployed: Deployed | None) -> dict[str, str]:
    """Return the WWW-Authenticate header of a 401 (RFC 6750 section 3, RFC 9728 section 5.1)."""
    if error.status != Unauthorized.status or deployed is None:
        return {}
    where = f"{settings.SITE_URL}/runtimes/{quote(runtime_arn(deployed.agent_id), safe='')}"
    known = f"{where}/invocations/.well-known/oauth-protected-resource"
    bearer = f'Bearer resource_metadata="{known}"'
    if isinstance(error, authorizer.TokenRefused):
        bearer += ', error="invalid_token"'
    return {"www-authenticate": bearer}
