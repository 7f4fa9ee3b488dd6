"""One invocation: decide, record, forward, stream. Deny by default."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace

from aiohttp import ClientResponse
from django.conf import settings
from django_stubs_ext import StrOrPromise

from agents import admission, authorizer, policies, snapshot, workload
from agents.arns import endpoint_arn, runtime_arn
from agents.errors import AgentUnknown, AuthModeMismatch
from agents.gateway import headers, metadata, signed, upstream
from agents.gateway.addresses import Address, address_of
from agents.gateway.messages import Answer, Inbound, refusal
from agents.gateway.upstream import MAX_BODY_BYTES, Body
from agents.keys.operations import INVOKE, INVOKE_FOR_USER
from agents.keys.verification import KeyUnusable, named_in
from agents.models.registry import AgentVersion
from agents.policies import NO_FACTS, Principal, facts
from agents.snapshot import Deployed
from core import audit, reference, strangers
from core.errors import AppError, Forbidden, InvalidRequest, TooLarge, Unauthorized
from core.secret import Secret
from core.subject import Subject
from core.wire.respond import Headers
from core.wire.sigv4 import SignatureRefused

log = logging.getLogger(__name__)

_SESSION_CHARS = (33, 256)


class MissingToken(Unauthorized):
    """There is no bearer token."""

    code = "missing_token"
    message: StrOrPromise = "Missing Authentication Token"


class MissingSignature(Forbidden):
    """There are no credentials at all. No challenge: there is none for SigV4."""

    code = "missing_signature"
    message: StrOrPromise = "Missing Authentication Token"


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who calls, proved: a person by their token, or a process by its access key."""

    subject: Subject | None
    client: str
    name: str = ""
    groups: frozenset[str] = frozenset()
    admitted_by: frozenset[str] | None = None  # the groups that count here; None: by no rule
    user_token: Secret | None = None  # a person's own, verified


@dataclass(frozen=True, slots=True)
class _Decision:
    """The call may go through, as `event` says, which is on record; this goes to the agent."""

    event: audit.Event
    url: str
    sent: Headers
    body: Body
    session_id: str


async def invoke(inbound: Inbound, *, held: AsyncExitStack) -> Answer:
    """Return the answer to one invocation. Closing `held` closes the way to the agent.

    A refusal is an answer too. Every one of them is on record, and nothing is sent to the agent
    before the decision to let the call through is.

    Raises:
        AuditUnavailable: a refusal could not be put on record; nothing was sent.
    """
    began = time.monotonic()
    request_id = reference.current().id
    decision = await _decide(inbound, request_id, held)
    if isinstance(decision, Answer):
        return decision
    try:
        reply = await held.enter_async_context(
            upstream.opened(decision.url, headers=decision.sent, body=decision.body)
        )
    except AppError as error:
        await _record_end(decision.event, began, error=error)
        return refusal(error, request_id=request_id)
    except asyncio.CancelledError:
        await _record_end(decision.event, began, left=True)
        raise
    encoding = reply.headers.get("content-encoding")
    return Answer(
        200,
        [
            ("content-type", reply.headers.get("content-type", "application/octet-stream")),
            *([("content-encoding", encoding)] if encoding else []),
            ("cache-control", "no-store"),
            # What an agent says is never a page of this site.
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("x-content-type-options", "nosniff"),
            ("x-accel-buffering", "no"),
            (headers.SESSION, decision.session_id),
            ("x-amzn-requestid", request_id),
        ],
        _told(reply, decision, began),
    )


async def _decide(inbound: Inbound, request_id: str, held: AsyncExitStack) -> _Decision | Answer:
    """Return the decision to let the call through, on record, or the refusal, on record."""
    event = audit.Event("agent.invocation")
    address: Address | None = None
    try:
        address = address_of(inbound.raw_path, inbound.query)
        event = replace(event, agent=address.agent_id)
        deployed = await snapshot.deployed(address.agent_id, address.endpoint)
        if deployed is None:
            raise AgentUnknown(detail="not registered")
        event = replace(
            event,
            workload=deployed.workload_name,
            detail={"version": deployed.version, "endpoint": deployed.endpoint},
        )
        body = Body(inbound.body, length=_length(inbound))
        if _is_signed(inbound, deployed):
            call = await signed.verified(inbound, body=aiter(body), held=held)
            event = replace(event, client=call.caller.access_key_id)
            call.caller.refuse_other(INVOKE)
            user_id = signed.user_id(inbound, call)
            caller = _caller_of(call, user_id)
            event = replace(event, subject=caller.subject)
            body = Body(call.body, length=call.size)
            admission.refuse_switched_off(deployed)
            await _refuse_denied(deployed, call.caller.principal, user_id=user_id)
            await call.signature.spend()
        else:
            token = _bearer_token(inbound)
            person = await admission.identify(token, deployed)
            counting = person.groups & deployed.groups
            client = person.verified.client_id
            caller = _Caller(
                person.subject, client, person.name, person.groups, counting, Secret(token)
            )
            event = replace(event, subject=caller.subject, client=client)
            await admission.authorize(person, deployed)
            await _refuse_denied(deployed, policies.PERSON, person=person)
        session_id = _session_id(inbound)
        identity = headers.Identity(
            token=await workload.aissue(
                workload_id=deployed.workload_id,
                workload_name=deployed.workload_name,
                subject=caller.subject,
                session_id=session_id,
                groups=caller.admitted_by,
                invocation=request_id,
                user_token=caller.user_token,
            ),
            subject=caller.subject,
            name=caller.name,
            groups=caller.groups,
            session_id=session_id,
            request_id=request_id,
            callback_url=settings.SITE_URL + headers.CALLBACK_PATH,
        )
        sent = headers.forwarded(
            inbound.headers, allowlist=deployed.header_allowlist, identity=identity
        )
        await audit.arecord(event)
    except AppError as error:
        log.info("agent.invocation.refused", extra={"reason": error.code, "detail": error.detail})
        told = await _recorded(error, event)
        return refusal(told, request_id=request_id, extra=_challenge(told, address))
    return _Decision(event, deployed.url.rstrip("/") + "/invocations", sent, body, session_id)


async def _recorded(error: AppError, event: audit.Event) -> AppError:
    """Put a refusal on record, and return what the caller is told of it."""
    if isinstance(error, audit.AuditUnavailable):
        return error
    refused = event.refused(error)
    if isinstance(error, SignatureRefused):
        told = {**event.detail, **named_in(error)}
        if isinstance(error, KeyUnusable):
            told["key_of"] = error.workload_name
        refused = replace(refused, reason=error.reason, detail=told)
    if event.subject or event.client:
        await audit.arecord(refused)
        return error
    if isinstance(error, authorizer.TokenRefused) and error.subject:
        # A stranger all the same: an issuer may serve others than this site, and whoever has a
        # token for something else must not fill the trail with it.
        refused = replace(refused, subject=error.subject)
    try:
        await strangers.refused(refused)
    except strangers.TooManyRefusals as exc:
        return exc
    return error


async def _refuse_denied(
    deployed: Deployed,
    principal: Principal,
    *,
    person: admission.Person | None = None,
    user_id: str | None = None,
) -> None:
    """Raise PolicyDenied where a policy of the agent or of its endpoint denies the call.

    A call in the name of a user is two things, each of which has to be allowed, as at AWS.
    """
    known = facts.of_token(person.verified) if person else NO_FACTS
    actions = [INVOKE]
    if user_id is not None:
        known = facts.of_user_id(user_id)
        actions.append(INVOKE_FOR_USER)
    resources = (
        runtime_arn(deployed.agent_id),
        endpoint_arn(deployed.agent_id, deployed.endpoint),
    )
    for action in actions:
        await policies.aevaluate(
            action=action, resources=resources, principal=principal, facts=known
        )


def _is_signed(inbound: Inbound, deployed: Deployed) -> bool:
    """Say whether the call is signed with an access key, as the agent's version has to ask for.

    Raises:
        AuthModeMismatch: the version asks for the other way.
        MissingSignature: it asks for a signature and there are no credentials.
    """
    credentials = inbound.header("authorization")
    presigned = "x-amz-signature=" in inbound.query.lower()
    is_signed = presigned or (credentials or "").startswith("AWS4-")
    if deployed.auth_mode == AgentVersion.AuthMode.JWT:
        if is_signed:
            raise AuthModeMismatch
        return False
    if not is_signed:
        raise MissingSignature if credentials is None else AuthModeMismatch
    return True


def _bearer_token(inbound: Inbound) -> str:
    """Return the bearer token (RFC 6750 section 2.1), unverified. Raises MissingToken."""
    scheme, _, token = (inbound.header("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise MissingToken
    return token.strip()


def _caller_of(call: signed.Signed, user_id: str | None) -> _Caller:
    """Return who signed; for whom an operator calls is the operator's word, and opaque."""
    subject = Subject.opaque(user_id) if user_id else None
    return _Caller(subject, call.caller.access_key_id)


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


def _length(inbound: Inbound) -> int | None:
    """Return the body's length as it is declared, or None. Raises TooLarge, InvalidRequest."""
    declared = inbound.header("content-length")
    if declared is None:
        return None
    if not (declared.isascii() and declared.isdigit()):
        raise InvalidRequest("Content-Length is not a number.")
    if len(declared) > len(str(MAX_BODY_BYTES)) or int(declared) > MAX_BODY_BYTES:
        raise TooLarge(f"The request has more than {MAX_BODY_BYTES} bytes.")
    return int(declared)


async def _told(reply: ClientResponse, decision: _Decision, began: float) -> AsyncGenerator[bytes]:
    """Yield the answer's body, and put on record how it ended: whole, broken off, or unwanted.

    However it ends, the connection to the agent is closed first.
    """
    sent_bytes, whole = 0, False
    failure: AppError | None = None
    try:
        async with aclosing(upstream.chunks(reply, decision.body)) as chunks:
            async for chunk in chunks:
                sent_bytes += len(chunk)
                yield chunk
            whole = True
    except AppError as error:
        failure = error
        raise
    finally:
        left = not whole and failure is None
        await _record_end(decision.event, began, sent_bytes=sent_bytes, error=failure, left=left)


async def _record_end(
    event: audit.Event,
    began: float,
    *,
    sent_bytes: int = 0,
    error: AppError | None = None,
    left: bool = False,
) -> None:
    """Put on record how a call that was let through ended; `left`: its client did not wait.

    Nothing is released after it, so a trail that cannot be written is logged and no more.
    """
    duration_ms = round((time.monotonic() - began) * 1000)
    measured = {**event.detail, "bytes": sent_bytes, "duration_ms": duration_ms}
    if error is not None and error.detail:
        measured["failure"] = error.detail
    ended = replace(
        event,
        action="agent.invocation.ended",
        outcome="failed" if error else "allowed",
        reason="client_left" if left else error.code if error else "",
        detail=measured,
    )
    storing = asyncio.create_task(_store_end(ended))
    try:
        await asyncio.shield(storing)
    except asyncio.CancelledError:
        await asyncio.wait({storing})  # a client that leaves now does not keep it off the record
        raise


async def _store_end(ended: audit.Event) -> None:
    try:
        await audit.arecord(ended)
    except audit.AuditUnavailable as exc:
        log.error("agent.invocation.end_not_recorded", extra={"detail": exc.detail})


def _challenge(error: AppError, address: Address | None) -> dict[str, str]:
    """Return the WWW-Authenticate header of a 401 (RFC 6750 section 3, RFC 9728 section 5.1)."""
    if error.status != Unauthorized.status or address is None:
        return {}
    bearer = f'Bearer resource_metadata="{metadata.url_of(address)}"'
    if isinstance(error, authorizer.TokenRefused):
        bearer += ', error="invalid_token"'
    return {"www-authenticate": bearer}
