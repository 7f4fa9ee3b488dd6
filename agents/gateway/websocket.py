"""Web sockets to agents: decided and recorded as an invocation is, and then carried both ways.

A token is checked at the handshake alone, as at AWS; the runtime session's end closes the
connection. Neither direction runs ahead of the other side: a message is taken from one once the
other has taken the one before.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, WebSocketScope

from agents.gateway import ends
from agents.gateway.addresses import Way, way_of
from agents.gateway.decision import Decision, decide
from agents.gateway.messages import Answer, Inbound, refusal
from agents.gateway.upstream import AgentFailed, AgentUnreachable
from agents.sessions.errors import SessionOver, SwitchedOff
from agents.sessions.watch import Use
from core import http, reference
from core.errors import AppError, Internal, InvalidRequest
from core.wire import respond

log = logging.getLogger(__name__)

# How a page of a browser, which can set no header, shows its token.
_BEARER = "base64UrlBearerAuthorization"
_MAX_MESSAGE_BYTES = 1 << 20
_HANDSHAKE_S = 10.0
_CLOSE_S = 1.0
_ALIVE_S = 30.0
_NORMAL, _GOING_AWAY, _NO_STATUS, _TOO_BIG, _BROKE = 1000, 1001, 1005, 1009, 1011
_REFUSED = 1008
# What may stand in a close frame (RFC 6455 section 7.4).
_SENDABLE = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})


class MessageTooLarge(AppError):
    """A message of the client is larger than is carried."""

    code = "message_too_large"


def serves(raw_path: str) -> bool:
    """Say whether a raw path is that of an agent's web socket."""
    return way_of(raw_path) is Way.WEB_SOCKET


async def refuse(
    scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Refuse a web socket where there is none."""
    await receive()
    await send({"type": "websocket.close", "code": _NORMAL, "reason": ""})


async def application(
    scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Carry one web socket to its agent, or refuse it."""
    client = scope.get("client")
    reference.begin(client[0] if client else None)
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    peer = _Peer(scope, receive, send)
    request_id = reference.current().id
    try:
        async with AsyncExitStack() as held:
            decision = await decide(_inbound(scope), request_id=request_id, held=held)
            if isinstance(decision, Answer):
                await peer.refuse(decision)
            else:
                await _carried(peer, decision, held)
    except SessionOver as error:
        log.info("agent.session.over", extra={"reason": error.code, "begun": peer.is_open})
        code = _REFUSED if isinstance(error, SwitchedOff) else _GOING_AWAY
        await peer.end(code, refusal(error, request_id=request_id))
    except AppError as error:  # the trail itself is away, or the request cannot be read
        log.warning("agent.web_socket.refused", extra={"detail": error.detail})
        await peer.end(_BROKE, refusal(error, request_id=request_id))
    except Exception:  # the boundary: a client learns the request's id and nothing else
        log.exception("agent.web_socket.broke")
        await peer.end(_BROKE, refusal(Internal(), request_id=request_id))


def _inbound(scope: WebSocketScope) -> Inbound:
    """Return the handshake as a request. Raises InvalidRequest."""
    received = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in scope["headers"]
    )
    token = _token_of(list(scope["subprotocols"]))
    if token is not None:
        if any(name == "authorization" for name, _ in received):
            raise InvalidRequest("There are two tokens: in a header and in a subprotocol.")
        received = (*received, ("authorization", f"Bearer {token}"))
    return Inbound(
        method="GET",
        raw_path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=received,
        body=_nothing(),
    )


async def _nothing() -> AsyncGenerator[bytes]:
    """Yield no body: a handshake has none."""
    none: tuple[bytes, ...] = ()
    for chunk in none:
        yield chunk


def _token_of(subprotocols: list[str]) -> str | None:
    """Return the token in the subprotocols, unverified, or None. Raises InvalidRequest."""
    shown = [name for name in subprotocols if name.startswith(f"{_BEARER}.")]
    if not shown:
        return None
    encoded = shown[0].removeprefix(f"{_BEARER}.")
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        token = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        token = ""
    if len(shown) > 1 or not token.isprintable() or not token:
        raise InvalidRequest(f"The subprotocol {_BEARER} holds no token.")
    return token


class _Peer:
    """The client's end of a web socket."""

    def __init__(
        self, scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        self.receive = receive
        self.is_open = False
        self._send = send
        self._may_answer = "websocket.http.response" in (scope.get("extensions") or {})
        self._offered = list(scope["subprotocols"])
        self._is_over = False

    @property
    def offered(self) -> list[str]:
        """Return the subprotocols that are the agent's to choose from."""
        return [name for name in self._offered if not name.startswith(_BEARER)]

    async def accept(self, subprotocol: str | None) -> None:
        """Take the connection. A browser that offered subprotocols wants one of them back.

        The server sends no other header in its answer, so the session's id stays untold.
        """
        if subprotocol is None and _BEARER in self._offered:
            subprotocol = _BEARER
        self.is_open = True
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})

    async def say(self, message: str | bytes) -> None:
        """Send one message."""
        text, octets = (message, None) if isinstance(message, str) else (None, message)
        await self._send({"type": "websocket.send", "text": text, "bytes": octets})

    async def close(self, code: int) -> None:
        """Close the connection, once."""
        if not self._is_over:
            self._is_over = True
            await self._send({"type": "websocket.close", "code": code, "reason": ""})

    def left(self) -> None:
        """Note that the client closed it: there is nobody to tell anything."""
        self._is_over = True

    async def refuse(self, answer: Answer) -> None:
        """Answer the handshake with a refusal, as a response where the server can."""
        if not self._may_answer:
            await self.close(_NORMAL)
            return
        self._is_over = True
        await self._send(
            {
                "type": "websocket.http.response.start",
                "status": answer.status,
                "headers": respond.on_the_wire(answer.headers),
            }
        )
        body = b"".join([chunk async for chunk in answer.body])
        await self._send({"type": "websocket.http.response.body", "body": body, "more_body": False})

    async def end(self, code: int, answer: Answer) -> None:
        """Close the connection, or refuse it where it is none yet."""
        if self.is_open:
            await self.close(code)
        elif not self._is_over:
            await self.refuse(answer)


async def _carried(peer: _Peer, decision: Decision, held: AsyncExitStack) -> None:
    """Carry messages until one side closes, and put on record how it ended."""
    began = time.monotonic()
    use = await held.enter_async_context(Use(decision.session, through=decision.through))
    flow = _Flow(peer)
    error: AppError | None = None
    try:
        try:
            agent = await held.enter_async_context(_agent(decision, peer.offered))
        except AppError as exc:
            error = exc
            await peer.refuse(await decision.refusing.answer(exc))
            return
        await peer.accept(agent.protocol)
        await flow.run(agent)
    except AppError as exc:
        error = exc
        log.info("agent.web_socket.broke_off", extra={"reason": exc.code, "detail": exc.detail})
        await peer.close(_TOO_BIG if isinstance(exc, MessageTooLarge) else _BROKE)
    finally:
        ends.record(
            decision.event,
            began,
            sent_bytes=flow.sent_bytes,
            error=error or use.over,
            left=flow.client_left,
        )


@asynccontextmanager
async def _agent(
    decision: Decision, offered: list[str]
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Yield the connection to the agent; leaving closes it.

    Raises:
        AgentUnreachable, AgentFailed: there is none.
    """
    try:
        async with asyncio.timeout(_HANDSHAKE_S):
            agent = await http.session().ws_connect(
                http.check_url(decision.url),
                headers=decision.sent,
                protocols=offered,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                heartbeat=_ALIVE_S,
                max_msg_size=_MAX_MESSAGE_BYTES,
            )
    except http.HttpRefused as exc:
        raise AgentUnreachable(
            "The agent's address may not be reached from here.", detail=exc.detail
        ) from None
    except http.HttpUnanswered as exc:
        raise AgentFailed("The agent answered with a redirect.", detail=exc.detail) from None
    except aiohttp.WSServerHandshakeError as exc:
        raise AgentFailed(
            f"Received error ({exc.status}) from the agent.", detail=f"status {exc.status}"
        ) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise AgentUnreachable("The agent does not answer.", detail=type(exc).__name__) from None
    try:
        yield agent
    finally:
        await agent.close(code=_GOING_AWAY)


class _Flow:
    """The messages of one connection, both ways."""

    def __init__(self, peer: _Peer) -> None:
        self.sent_bytes = 0
        self.client_left = False
        self._peer = peer

    async def run(self, agent: aiohttp.ClientWebSocketResponse) -> None:
        """Carry messages until one side closes; the other is closed the same way.

        Raises:
            AgentFailed: the agent's side broke off.
            MessageTooLarge: the client's message is.
        """
        tasks = {
            asyncio.create_task(self._to_agent(agent)),
            asyncio.create_task(self._to_client(agent)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        # Only now: the server does not close a connection that somebody still reads from.
        for task in done:
            await self._peer.close(task.result())

    async def _to_agent(self, agent: aiohttp.ClientWebSocketResponse) -> int:
        """Carry the client's messages; return the code with which it closed."""
        while True:
            message = await self._peer.receive()
            if message["type"] == "websocket.disconnect":
                code = message["code"] or _NO_STATUS
                self._peer.left()
                # Nobody can tell a close that says nothing from a connection that broke off.
                self.client_left = code not in {_NORMAL, *range(3000, 5000)}
                await agent.close(code=code if code in _SENDABLE else _GOING_AWAY)
                return code
            if message["type"] != "websocket.receive":
                continue
            text, octets = message.get("text"), message.get("bytes")
            if len(text or octets or b"") > _MAX_MESSAGE_BYTES:
                raise MessageTooLarge
            try:
                if text is not None:
                    await agent.send_str(text)
                else:
                    await agent.send_bytes(octets or b"")
            except (aiohttp.ClientError, ConnectionError) as exc:
                raise AgentFailed("The agent went away.", detail=type(exc).__name__) from None

    async def _to_client(self, agent: aiohttp.ClientWebSocketResponse) -> int:
        """Carry the agent's messages; return the code with which the client is to be closed."""
        async for message in agent:
            if message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                self.sent_bytes += len(message.data)
                await self._peer.say(message.data)
        code = agent.close_code or _NO_STATUS
        if code not in _SENDABLE and code != _NO_STATUS:
            raise AgentFailed("The agent's answer broke off.", detail=f"close code {code}")
        return code if code in _SENDABLE else _NORMAL
