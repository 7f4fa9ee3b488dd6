"""Connections to agents, kept between calls, and one exchange on one of them."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import weakref
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial

from aiohappyeyeballs import AddrInfoType, start_connection
from django.conf import settings
from django.utils.translation import gettext as _

from core.http.connection import Body, Connection, Exchange
from core.http.errors import HttpRefused, HttpUnreachable
from core.http.guard import GuardedResolver, check_url

_CONNECT_S = 5.0
# Shorter than what servers keep connections for, so that it is we who close them.
_IDLE_S = 4.0
_ADDRESSES_S = 10.0
_MAX_HOSTS = 1000
_NEXT_ADDRESS_S = 0.25
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*")  # RFC 9110 section 5.6.2
_END_A_LINE = ("\r", "\n", "\x00")

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where connections go to: the same for all URLs of one server."""

    secure: bool
    host: str
    port: int


# A server, and for whom a connection goes there.
_Way = tuple[_Origin, Hashable]


@lru_cache(maxsize=1000)
def _target(url: str, _listed: tuple[str, ...]) -> tuple[_Origin, str, str]:
    """Return the origin, the Host header and the request target of `url`. Raises HttpRefused.

    An admin's list is a part of the question, so that an answer is not older than it.
    """
    checked = check_url(url)
    host, port = checked.raw_host or "", checked.port or 0
    authority = f"[{host}]" if ":" in host else host
    if not checked.is_default_port():
        authority = f"{authority}:{port}"
    return _Origin(checked.scheme == "https", host, port), authority, checked.raw_path_qs


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Pool:
    """The kept connections of one event loop."""

    def __init__(self) -> None:
        self._resolver = GuardedResolver()
        self._kept: dict[_Way, dict[Connection, asyncio.TimerHandle]] = {}
        self._addresses: dict[_Origin, tuple[float, list[AddrInfoType]]] = {}

    async def get(self, way: _Way) -> Connection:
        """Return a connection for one exchange. Raises HttpRefused, HttpUnreachable."""
        while kept := self._kept.get(way):
            connection = next(reversed(kept))
            self._forget(way, connection)
            if connection.is_open and connection.is_silent:
                return connection
            connection.close()
        return await self._connect(way)

    async def close(self) -> None:
        """Close every connection that nobody uses."""
        for connection in [one for kept in self._kept.values() for one in kept]:
            connection.close()
        await self._resolver.close()

    def _keep(self, way: _Way, connection: Connection) -> None:
        closing = asyncio.get_running_loop().call_later(_IDLE_S, connection.close)
        self._kept.setdefault(way, {})[connection] = closing

    def _forget(self, way: _Way, connection: Connection) -> None:
        kept = self._kept.get(way, {})
        closing = kept.pop(connection, None)
        if closing is not None:
            closing.cancel()
            if not kept:  # there are as many ways as people
                del self._kept[way]

    async def _connect(self, way: _Way) -> Connection:
        origin, keep, forget = way[0], partial(self._keep, way), partial(self._forget, way)
        try:
            async with asyncio.timeout(_CONNECT_S):
                found = await self._addresses_of(origin)
                opened = await start_connection(found, happy_eyeballs_delay=_NEXT_ADDRESS_S)
                try:
                    _transport, connection = await asyncio.get_running_loop().create_connection(
                        lambda: Connection(origin.host, keep=keep, forget=forget),
                        sock=opened,
                        ssl=_tls() if origin.secure else None,
                        server_hostname=origin.host if origin.secure else None,
                    )
                except BaseException:
                    opened.close()
                    raise
        # ValueError: a name that no resolver takes, such as one with a label of 64 letters.
        except (TimeoutError, OSError, ValueError) as exc:
            raise HttpUnreachable(
                _("%(host)s does not answer.") % {"host": origin.host}, detail=type(exc).__name__
            ) from None
        return connection

    async def _addresses_of(self, origin: _Origin) -> list[AddrInfoType]:
        """Return where the host is, or was some seconds ago. Raises HttpRefused, OSError."""
        now = asyncio.get_running_loop().time()
        known = self._addresses.get(origin)
        if known is not None and known[0] > now:
            return known[1]
        found: list[AddrInfoType] = [
            (one["family"], socket.SOCK_STREAM, one["proto"], "", (one["host"], origin.port))
            for one in await self._resolver.resolve(origin.host, origin.port)
        ]
        if len(self._addresses) >= _MAX_HOSTS:
            self._addresses.clear()
        self._addresses[origin] = (now + _ADDRESSES_S, found)
        return found


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = weakref.WeakKeyDictionary()


async def close() -> None:
    """Close the running loop's connections, if any was opened."""
    found = _pools.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()


async def exchange(
    method: str, url: str, *, headers: Headers, body: Body, silence_s: float, whose: Hashable
) -> Exchange:
    """Return an exchange once the head of its answer is there. Whoever gets it has to `end` it.

    `silence_s` is how long the other side may say nothing. Nothing is asked twice. A connection is
    used again by `whose` it was, and by nobody else: a server that says more than it was asked
    does not say it to another.

    Raises:
        HttpRefused: the address is not one this site may reach, or a header cannot be sent.
        HttpUnreachable: there was no connection; nothing was sent.
        HttpUnanswered: no answer, or none that is HTTP; it may have been acted on.
        Exception: whatever `body` raises.
    """
    origin, authority, path = _target(url, tuple(settings.DAIKO_ALLOWED_PRIVATE_HOSTS))
    head = _head(method, path, authority, headers, body.length)
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        pool = _pools[loop] = _Pool()
    asked = Exchange(await pool.get((origin, whose)), silence_s=silence_s)
    try:
        await asked.ask(head, body)
    except BaseException:
        asked.end()
        raise
    return asked


def _head(method: str, path: str, authority: str, headers: Headers, length: int | None) -> bytes:
    """Return a request's head (RFC 9112 section 3). Raises HttpRefused.

    A value that holds the end of its line would be two headers, or another request.
    """
    names = "".join([name for name, _ in headers])
    values = "".join([value for _, value in headers])
    if not _NAMES.fullmatch(names) or any(end in values for end in _END_A_LINE):
        raise HttpRefused(_("A header cannot be sent."), detail="header")
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"{name}: {value}" for name, value in headers]
    head = [f"{method} {path} HTTP/1.1", f"Host: {authority}", *lines, framing, "", ""]
    return "\r\n".join(head).encode("utf-8", "surrogateescape")
