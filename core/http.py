"""Outbound HTTP, the only one there is.

Requests built from configuration must not become a way into the network this site runs in
(server-side request forgery). So: https, or a host that an admin listed; addresses checked after
DNS, at the moment of connecting; redirects off; time and size bounded.

One aiohttp session an event loop. Synchronous callers share a background loop, so that there is one
client and one guard for both.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json as jsonlib
import os
import threading
import weakref
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from django.conf import settings

from core.errors import AppError
from core.secret import Secret

T = TypeVar("T")

OK = 200
_TIMEOUT_S = 10.0
_MAX_BYTES = 1 << 20
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")


class HttpError(AppError):
    """A request to another server got no usable answer."""

    code = "http_failed"
    status = 502
    aws = "InternalServerException"


class HttpRefused(HttpError):
    """The request was not sent: its address is not one this site may reach."""

    code = "http_refused"


class HttpUnreachable(HttpError):
    """No connection could be made; the server has seen nothing."""

    code = "http_unreachable"


class HttpUnanswered(HttpError):
    """The request was sent and no whole answer came. The server may have acted on it."""

    code = "http_unanswered"


class HttpTooLarge(HttpError):
    """The answer is larger than its bound."""

    code = "http_too_large"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON. Raises ValueError."""
        return jsonlib.loads(self.body)


def private_host_is_allowed(host: str) -> bool:
    """Say whether an admin listed `host` as one that may be private (and be spoken to in clear)."""
    return host.lower() in {listed.lower() for listed in settings.DAIKO_ALLOWED_PRIVATE_HOSTS}


def address_is_public(address: str) -> bool:
    """Say whether `address` is a public unicast address, also where IPv6 wraps an IPv4 one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64 or ip in _SIX_TO_FOUR:
            return False
    return ip.is_global and not ip.is_multicast


def check_url(url: str) -> None:
    """Refuse a URL that could not be requested whatever its host resolves to.

    Raises:
        HttpRefused: not http(s), without a host, with a user name in it, in clear to a host that is
            not listed, or a literal address that is not public.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host:
        raise HttpRefused(detail="not an http(s) URL")
    if parts.username is not None or parts.password is not None:
        raise HttpRefused(detail=f"credentials in the URL of {host}")
    if private_host_is_allowed(host):
        return
    if parts.scheme != "https":
        raise HttpRefused(
            f"{host} is spoken to over https only, unless DAIKO_ALLOWED_PRIVATE_HOSTS lists it.",
            detail=f"http to {host}",
        )
    try:
        public = address_is_public(host)
    except ValueError:
        return  # a name; its addresses are checked when it is resolved
    if not public:
        raise _private(host)


def _private(host: str) -> HttpRefused:
    return HttpRefused(
        f"{host} is a private address. An admin can list the host in DAIKO_ALLOWED_PRIVATE_HOSTS.",
        detail=f"private address of {host}",
    )


class _GuardedResolver(AbstractResolver):
    """Resolves names to public addresses only, so that nothing is checked and then changed."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: Any = 0
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if private_host_is_allowed(host):
            return found
        if not all(address_is_public(result["host"]) for result in found):
            raise _private(host)
        return found

    async def close(self) -> None:
        await self._inner.close()


_sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = (
    weakref.WeakKeyDictionary()
)


def session() -> aiohttp.ClientSession:
    """Return the running loop's client. Its caller still has to `check_url` what it requests."""
    loop = asyncio.get_running_loop()
    found = _sessions.get(loop)
    if found is None or found.closed:
        found = _sessions[loop] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=_GuardedResolver(), limit=0, ttl_dns_cache=10),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            trust_env=False,
        )
    return found


async def close() -> None:
    """Close the running loop's client, if it was opened."""
    found = _sessions.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()


async def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    basic_auth: tuple[str, Secret] | None = None,
    timeout_s: float = _TIMEOUT_S,
    max_bytes: int = _MAX_BYTES,
) -> Response:
    """Return the answer to one request, whatever its status.

    Raises:
        HttpRefused: the address is not one this site may reach; nothing was sent.
        HttpUnreachable: there was no connection; nothing was sent.
        HttpUnanswered: no whole answer within `timeout_s`; it may have been acted on.
        HttpTooLarge: the answer has more than `max_bytes`.
    """
    check_url(url)
    sent = {"Accept": "application/json", **(headers or {})}
    if basic_auth is not None:
        name, secret = basic_auth
        sent["Authorization"] = aiohttp.BasicAuth(name, secret.reveal()).encode()
    host = urlsplit(url).hostname
    try:
        async with session().request(
            method,
            url,
            headers=sent,
            data=dict(form) if form is not None else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s, connect=min(5.0, timeout_s)),
        ) as answer:
            body = await answer.content.read(max_bytes + 1)
            while len(body) <= max_bytes and not answer.content.at_eof():
                body += await answer.content.read(max_bytes + 1 - len(body))
            if len(body) > max_bytes:
                raise HttpTooLarge(detail=f"more than {max_bytes} bytes from {host}")
            return Response(answer.status, answer.headers, body)
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        unsent = isinstance(exc, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        kind = HttpUnreachable if unsent else HttpUnanswered
        # The exception's text may hold the URL and with it a query; its class says enough.
        raise kind(f"{host} does not answer.", detail=f"{type(exc).__name__} from {host}") from None


class _Background:
    """A loop in a thread of its own, one a process, for synchronous callers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                threading.Thread(
                    target=self._loop.run_forever, name="outbound-http", daemon=True
                ).start()
            return self._loop


_background = _Background()


def background_loop() -> asyncio.AbstractEventLoop:
    """Return this process's loop for outbound work that outlives, or has no, loop of its caller."""
    return _background.loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`, run on the background loop while this thread waits."""
    return asyncio.run_coroutine_threadsafe(work, _background.loop()).result()


def fetch_sync(method: str, url: str, **options: Any) -> Response:
    """Return what `fetch` does, for a caller without an event loop."""
    return run(fetch(method, url, **options))
