"""Whether a call goes through to an agent: decided in one order, and on record. Deny by default."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from agents import authorizer, snapshot, workload
from agents.errors import AgentUnknown
from agents.gateway import callers, headers, metadata, on_aws, protocols
from agents.gateway.addresses import Address, Way, address_of
from agents.gateway.callers import Caller
from agents.gateway.messages import Answer, Inbound, refuse_body
from agents.gateway.protocols.protocol import Protocol
from agents.gateway.protocols.refusing import Refusing
from agents.gateway.upstream import MAX_BODY_BYTES, Body
from agents.keys.verification import KeyUnusable, named_in
from agents.sessions import claim, ids
from agents.sessions.claim import Session
from agents.sessions.servers import Server
from agents.snapshot import Deployed
from agents.workload import Chain
from core import audit, strangers
from core.errors import AppError, InvalidRequest, TooLarge, Unauthorized
from core.subject import Subject
from core.wire.model import UnknownOperation
from core.wire.respond import Headers
from core.wire.sigv4 import SignatureRefused

log = logging.getLogger(__name__)

_SESSION_CHARS = (33, 256)


@dataclass(frozen=True, slots=True)
class Decision:
    """The call may go through, as `event` says, which is on record; this goes to the agent.

    `refusing` answers the caller where it cannot go on. `card` makes the agent's card one of this
    site's, where that is what was asked for. `server` is told of what ids the agent gives out,
    where its protocol has such.
    """

    event: audit.Event
    protocol: Protocol
    refusing: Refusing
    method: str
    url: str
    sent: Headers
    body: Body
    whose: tuple[str, Subject]  # the agent and its caller, who share no connection with others
    session_id: str
    session: Session
    through: Chain = ()  # the agents that the call came through
    server: Server | None = None
    card: Callable[[bytes], bytes] | None = None


class Record:
    """What is known of a request so far: of whom it asks something, and what the trail says."""

    def __init__(self, action: str) -> None:
        self._address: Address | None = None
        self._deployed: Deployed | None = None
        self._columns: dict[str, Any] = {"action": action}
        self._detail: dict[str, Any] = {}

    async def find(self, inbound: Inbound) -> tuple[Address, Deployed]:
        """Return what the request's address names.

        Raises:
            UnknownOperation, InvalidRequest: it names nothing that is served.
            AgentUnknown: no such agent, or endpoint, is registered.
            RegistryUnavailable: the database does not answer.
        """
        self._address = address_of(inbound.raw_path, inbound.query)
        self.learn(agent=self._address.agent_id)
        self._deployed = await snapshot.deployed(self._address.agent_id, self._address.endpoint)
        if self._deployed is None:
            raise AgentUnknown(detail="not registered")
        self.learn(workload=self._deployed.workload_name)
        return self._address, self._deployed

    def learn(self, **columns: Any) -> None:
        """Add columns of the event."""
        self._columns.update(columns)

    def note(self, **named: Any) -> None:
        """Add to the event's detail."""
        self._detail.update(named)

    @property
    def event(self) -> audit.Event:
        """Return the event as far as it is known."""
        return audit.Event(**self._columns, detail=self._detail.copy())

    def challenge(self, error: AppError) -> dict[str, str]:
        """Return the WWW-Authenticate header of a 401 (RFC 6750 section 3, RFC 9728 section 5.1).

        It is empty for everything else, and where the request's address names nothing.
        """
        if error.status != Unauthorized.status or self._address is None:
            return {}
        bearer = metadata.challenge(self._address, self._deployed)
        if isinstance(error, authorizer.TokenRefused):
            bearer += ', error="invalid_token"'
        return {"www-authenticate": bearer}


async def decide(inbound: Inbound, *, request_id: str, held: AsyncExitStack) -> Decision | Answer:
    """Return the decision to let the call through, on record, or the refusal, on record.

    Raises:
        AuditUnavailable: a refusal could not be put on record.
    """
    record = Record("agent.invocation")
    refusing = Refusing(inbound, request_id=request_id)
    try:
        address, deployed = await record.find(inbound)
        record.note(version=deployed.version, endpoint=deployed.endpoint)
        protocol = protocols.spoken_by(deployed)
        inbound = refusing.learn(protocol, inbound)
        await _refuse_unspoken(inbound, address, protocol, deployed)
        caller, body = await callers.admitted(
            inbound,
            deployed,
            body=Body(inbound.body, length=length_of(inbound)),
            held=held,
            learn=record.learn,
        )
        protocol.check(inbound)
        if address.way is Way.WEB_SOCKET:
            inbound = headers.taken_from_query(inbound)
        server = _server(inbound, protocol, caller, deployed) if protocol.session else None
        session_id = session_named(inbound) or (server.session_id if server else None)
        if session_id is None:
            session_id = ids.allocate(agent_id=deployed.agent_id, owner=caller.owner)
        record.note(session=session_id)
        if server is not None and server.session_id is not None:
            record.note(server_session=server.session_id)
            await server.refuse_foreign()
        identity = await _identity(caller, deployed, session_id=session_id, request_id=request_id)
        sent = headers.forwarded(
            inbound.headers,
            allowlist=deployed.header_allowlist,
            identity=identity,
            carried=protocol.sent,
        )
        is_card = address.way is Way.CARD
        paths = {
            Way.INVOCATION: deployed.path or protocol.path,
            Way.CARD: protocol.card_path,
            Way.WEB_SOCKET: protocol.web_socket,
        }
        url = deployed.base_url + paths[address.way]
        if deployed.called_with:
            url, sent, body = await on_aws.way_out(
                deployed,
                caller,
                method=inbound.method,
                below=protocol.card_path if is_card else "",
                sent=sent,
                body=body,
                session_id=session_id,
                held=held,
            )
        event = record.event
        session = await claim.claimed(event, _asked(caller, deployed, session_id=session_id))
    except AppError as error:
        log.info("agent.invocation.refused", extra={"reason": error.code, "detail": error.detail})
        told = await recorded(error, record.event)
        return await refusing.answer(told, extra=record.challenge(told))
    return Decision(
        event=event,
        protocol=protocol,
        refusing=refusing,
        method=inbound.method,
        url=url,
        sent=sent,
        body=body,
        whose=(deployed.agent_id, caller.owner),
        session_id=session_id,
        session=session,
        through=caller.came.chain,
        server=server,
        card=_card(protocol, deployed, address) if is_card else None,
    )


def _asked(caller: Caller, deployed: Deployed, *, session_id: str) -> claim.Asked:
    return claim.Asked(
        agent_id=deployed.agent_id,
        session_id=session_id,
        owner=caller.owner,
        endpoint=deployed.endpoint,
        idle_s=deployed.session_idle_s,
        lifetime_s=deployed.session_lifetime_s,
    )


def _server(inbound: Inbound, protocol: Protocol, caller: Caller, deployed: Deployed) -> Server:
    """Return the agent's own server, which is another one where the agent is called elsewhere."""
    return Server(
        agent_id=deployed.agent_id,
        url=deployed.base_url + (deployed.path or protocol.path),
        owner=caller.owner,
        endpoint=deployed.endpoint,
        idle_s=deployed.session_idle_s,
        lifetime_s=deployed.session_lifetime_s,
        named=inbound.header(protocol.session),
    )


async def _refuse_unspoken(
    inbound: Inbound, address: Address, protocol: Protocol, deployed: Deployed
) -> None:
    """Raise UnknownOperation where the agent's protocol has no such request.

    Raises:
        InvalidRequest: it has a body, where such a request has none.
    """
    spoken = {
        Way.INVOCATION: inbound.method in protocol.methods,
        Way.CARD: bool(protocol.card),
        Way.WEB_SOCKET: bool(protocol.web_socket) and not deployed.called_with,
    }
    if not spoken[address.way]:
        raise UnknownOperation
    if inbound.method != "POST":
        await refuse_body(inbound)


def _card(
    protocol: Protocol, deployed: Deployed, address: Address
) -> Callable[[bytes], bytes] | None:
    """Return what makes the agent's card one of this site's."""
    make, url = protocol.card, metadata.resource_of(address)
    return (lambda card: make(card, deployed, url)) if make else None


async def _identity(
    caller: Caller, deployed: Deployed, *, session_id: str, request_id: str
) -> headers.Identity:
    """Return what the agent is told of the call, with a workload access token made for it.

    A call that came through other agents goes on in the name, the session and the reference of the
    first of them. For an agent on AWS none is made: AWS makes its own.
    """
    came = caller.came
    return headers.Identity(
        token=None
        if deployed.called_with
        else await workload.aissue(
            workload_id=deployed.workload_id,
            workload_name=deployed.workload_name,
            subject=caller.subject,
            session_id=session_id if came.session_id is None else came.session_id,
            groups=caller.admitted_by,
            invocation=came.invocation or request_id,
            user_token=caller.user_token,
            chain=came.chain,
            expires_by=came.expires_by,
        ),
        subject=caller.subject,
        name=caller.name,
        groups=caller.groups,
        session_id=session_id,
        request_id=request_id,
        callback_url=settings.SITE_URL + headers.CALLBACK_PATH,
    )


async def recorded(error: AppError, event: audit.Event) -> AppError:
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
        # How to sign in is told to everybody: others are behind the same address.
        return error if isinstance(error, callers.MissingToken) else exc
    return error


def session_named(inbound: Inbound) -> str | None:
    """Return the session id that the caller names; None: one is to be allocated."""
    given = inbound.header(headers.SESSION)
    if given is None:
        return None
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


def length_of(inbound: Inbound) -> int | None:
    """Return the body's length as it is declared, or None. Raises TooLarge, InvalidRequest."""
    declared = inbound.header("content-length")
    if inbound.method != "POST":
        return 0
    if declared is None:
        return None
    if not (declared.isascii() and declared.isdigit()):
        raise InvalidRequest("Content-Length is not a number.")
    if len(declared) > len(str(MAX_BODY_BYTES)) or int(declared) > MAX_BODY_BYTES:
        raise TooLarge(f"The request has more than {MAX_BODY_BYTES} bytes.")
    return int(declared)
