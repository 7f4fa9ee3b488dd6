"""Outbound HTTP, the only one there is.

Requests built from configuration must not become a way into the network this site runs in
(server-side request forgery). So: https, or a host that an admin listed; addresses checked after
DNS, at the moment of connecting; redirects off; time and size bounded.

There are two aiohttp sessions an event loop: one that keeps connections, for the way to the
agents, and one that opens a connection for each request, for `fetch`. A token request that is sent
on a kept connection while the server closes it gets no answer, and then nobody knows whether it was
acted on. Synchronous callers share a background loop: one client and one guard for all.
"""

from __future__ import annotations

import asyncio
import atexit
import email.utils
import ipaddress
import json as jsonlib
import os
import threading
import weakref
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from django.conf import settings
from django.utils.translation import gettext as _
from yarl import URL

from core import database
from core.errors import AppError
from core.secret import Secret

T = TypeVar("T")
# A list stands for a parameter that is sent once for each of its values.
Form = Mapping[str, str | list[str]]

OK = 200
_TIMEOUT_S = 10.0
_MAX_BYTES = 1 << 20
# Shorter than what servers keep connections for, so that it is we who close them.
_KEEPALIVE_S = 4.0
_MAX_RETRY_AFTER_S = 3600.0
_MAX_DIGITS = 9
# The only global unicast space there is (RFC 4291 section 2.4), and within it what wraps an IPv4
# address (6to4, RFC 3056) or is documentation (RFC 9637) and what Python 3.11 takes for global.
_IPV6_GLOBAL = ipaddress.ip_network("2000::/3")
_IPV6_NOT_GLOBAL = (ipaddress.ip_network("2002::/16"), ipaddress.ip_network("3fff::/20"))


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
    """Say whether `address` is a public unicast address, also where IPv6 wraps an IPv4 one.

    Raises:
        ValueError: it is not an address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip not in _IPV6_GLOBAL or any(ip in network for network in _IPV6_NOT_GLOBAL):
            return False
    return ip.is_global and not ip.is_multicast


def check_url(url: str) -> URL:
    """Return `url` as the client will read it, unless it could not be requested whatever its
    host resolves to.

    The client's own parser reads it: where two parsers differ about a host, one of them is fooled.

    Raises:
        HttpRefused: not http(s), without a host, with a user name in it, in clear to a host that is
            not listed, or a literal address that is not public.
    """
    try:
        parsed = URL(url)
        host = parsed.raw_host or ""
    except ValueError:
        raise HttpRefused(_("This is not a URL."), detail="not a URL") from None
    if parsed.scheme not in {"http", "https"} or not host:
        raise HttpRefused(_("This is not an http or https URL."), detail="not an http(s) URL")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise HttpRefused(_("A URL must not hold credentials."), detail=f"credentials for {host}")
    if private_host_is_allowed(host):
        return parsed
    if parsed.scheme != "https":
        raise HttpRefused(
            _("%(host)s is spoken to over https only, unless DAIKO_ALLOWED_PRIVATE_HOSTS lists it.")
            % {"host": host},
            detail=f"http to {host}",
        )
    if _is_numeric(host) and not _is_public_literal(host):
        raise _private(host)
    return parsed


def _is_numeric(host: str) -> bool:
    """Say whether `host` would be read as an address, as `127.0.0.1`, `2130706433` and `0x7f.1`."""
    return ":" in host or host.rstrip(".").rpartition(".")[2][:1].isdigit()


def _is_public_literal(host: str) -> bool:
    try:
        return address_is_public(host)
    except ValueError:
        return False  # an old way of writing an address; nobody needs it


def _private(host: str) -> HttpRefused:
    return HttpRefused(
        _("%(host)s is not a public address. DAIKO_ALLOWED_PRIVATE_HOSTS can list the host.")
        % {"host": host},
        detail=f"private address of {host}",
    )


class _GuardedResolver(AbstractResolver):
    """Resolves names to public addresses only, so that nothing is checked and then changed."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if private_host_is_allowed(host):
            return found
        if not all(address_is_public(result["host"]) for result in found):
            raise _private(host)
        return found

    async def close(self) -> None:
        await self._inner.close()


class _Sessions:
    """The sessions of one event loop, opened at their first use."""

    def __init__(self) -> None:
        self._open: dict[bool, aiohttp.ClientSession] = {}

    def get(self, *, keep: bool) -> aiohttp.ClientSession:
        found = self._open.get(keep)
        if found is None or found.closed:
            options: dict[str, Any] = (
                {"keepalive_timeout": _KEEPALIVE_S} if keep else {"force_close": True}
            )
            found = self._open[keep] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=_GuardedResolver(), limit=0, ttl_dns_cache=10, **options
                ),
                # Nothing is unpacked here, so that a small answer cannot become a large one.
                headers={"User-Agent": "Daiko", "Accept-Encoding": "identity"},
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return found

    async def close(self) -> None:
        for session in self._open.values():
            await session.close()


_sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Sessions] = (
    weakref.WeakKeyDictionary()
)


def _sessions_here() -> _Sessions:
    return _sessions.setdefault(asyncio.get_running_loop(), _Sessions())


def session() -> aiohttp.ClientSession:
    """Return the running loop's client that keeps connections.

    Its caller still has to `check_url` what it requests, and to request what that returns.
    """
    return _sessions_here().get(keep=True)


async def close() -> None:
    """Close the running loop's clients, if any was opened."""
    found = _sessions.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()


def pairs_of(form: Form) -> list[tuple[str, str]]:
    """Return the names and values of `form` as they are sent."""
    return [
        (name, value)
        for name, given in form.items()
        for value in (given if isinstance(given, list) else [given])
    ]


async def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Form | None = None,
    json: Mapping[str, str] | None = None,
    content: bytes | None = None,
    basic_auth: tuple[str, Secret] | None = None,
    timeout_s: float = _TIMEOUT_S,
    max_bytes: int = _MAX_BYTES,
) -> Response:
    """Return the answer to one request, whatever its status.

    `content` is a body as it is, whose type `headers` say.

    Raises:
        HttpRefused: the address is not one this site may reach; nothing was sent.
        HttpUnreachable: there was no connection; nothing was sent.
        HttpUnanswered: no whole answer within `timeout_s`; it may have been acted on.
        HttpTooLarge: the answer has more than `max_bytes`.
    """
    target = check_url(url)
    sent = {"Accept": "application/json", **(headers or {})}
    if basic_auth is not None:
        name, secret = basic_auth
        sent["Authorization"] = aiohttp.encode_basic_auth(name, secret.reveal())
    try:
        async with (
            _sessions_here()
            .get(keep=False)
            .request(
                method,
                target,
                headers=sent,
                data=content if form is None else pairs_of(form),
                json=json,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s, connect=min(5.0, timeout_s)),
            ) as answer
        ):
            body = await answer.content.read(max_bytes + 1)
            while len(body) <= max_bytes and not answer.content.at_eof():
                body += await answer.content.read(max_bytes + 1 - len(body))
            if len(body) > max_bytes:
                raise HttpTooLarge(detail=f"more than {max_bytes} bytes from {target.host}")
            return Response(answer.status, answer.headers, body)
    # ValueError: a name that no resolver takes, such as one with a label of 64 letters.
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
        unsent = isinstance(
            exc, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | ValueError
        )
        kind = HttpUnreachable if unsent else HttpUnanswered
        # The exception's text may hold the URL and with it a query; its class says enough.
        raise kind(
            _("%(host)s does not answer.") % {"host": target.host},
            detail=f"{type(exc).__name__} from {target.host}",
        ) from None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long a server asks to be left alone (RFC 9110 section 10.2.3), an hour at most."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    digits = value.strip()
    if digits.isascii() and digits.isdigit():
        return float(min(int(digits[:_MAX_DIGITS]), _MAX_RETRY_AFTER_S))
    try:
        at = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter: a year that no calendar has
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - datetime.now(UTC)).total_seconds(), 0.0), _MAX_RETRY_AFTER_S)


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
                atexit.register(self._close, self._loop, self._pid)
            return self._loop

    @staticmethod
    def _close(loop: asyncio.AbstractEventLoop, pid: int) -> None:
        """Close the loop's client at exit; in a forked child there is no such thread to ask."""
        if pid == os.getpid():
            asyncio.run_coroutine_threadsafe(close(), loop).result(_TIMEOUT_S)
            loop.call_soon_threadsafe(loop.stop)


_background = _Background()


def background_loop() -> asyncio.AbstractEventLoop:
    """Return this process's loop for outbound work that outlives, or has no, loop of its caller."""
    return _background.loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`, run on the background loop while this thread waits.

    The thread keeps no connection to the database meanwhile, outside of a transaction.
    """
    database.let_go()
    return asyncio.run_coroutine_threadsafe(work, _background.loop()).result()


def fetch_sync(method: str, url: str, **options: Any) -> Response:
    """Return what `fetch` does, for a caller without an event loop."""
    return run(fetch(method, url, **options))
