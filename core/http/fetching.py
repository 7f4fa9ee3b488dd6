"""Documents and tokens of other servers: one request, one bounded answer, read whole.

There are two aiohttp sessions an event loop: one that keeps connections, and one that opens a
connection for each request, for `fetch`. A token request that is sent on a kept connection while
the server closes it gets no answer, and then nobody knows whether it was acted on.
"""

from __future__ import annotations

import asyncio
import email.utils
import json as jsonlib
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from django.utils.translation import gettext as _

from core.http import kept
from core.http.errors import HttpTooLarge, HttpUnanswered, HttpUnreachable
from core.http.guard import GuardedResolver, check_url
from core.secret import Secret

# A list stands for a parameter that is sent once for each of its values.
Form = Mapping[str, str | list[str]]

OK = 200
_REDIRECT, _CLIENT_ERROR = 300, 400
_TIMEOUT_S = 10.0
_MAX_BYTES = 1 << 20
# Shorter than what servers keep connections for, so that it is we who close them.
_KEEPALIVE_S = 4.0
_MAX_RETRY_AFTER_S = 3600.0
_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON. Raises ValueError."""
        return jsonlib.loads(self.body)


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
            following_nothing = [_where_it_was_sent] if keep else []
            found = self._open[keep] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=GuardedResolver(), limit=0, ttl_dns_cache=10, **options
                ),
                # Nothing is unpacked here, so that a small answer cannot become a large one.
                headers={"User-Agent": "Daiko", "Accept-Encoding": "identity"},
                auto_decompress=False,
                middlewares=following_nothing,
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


async def _where_it_was_sent(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Return the answer, unless it sends the client somewhere else.

    The client follows redirects by itself, for a web socket without asking, and its resolver is not
    asked about an address.

    Raises:
        HttpRefused: the address is not one this site may reach; nothing was sent.
        HttpUnanswered: the answer is a redirect.
    """
    check_url(str(request.url))
    answer = await send(request)
    if _REDIRECT <= answer.status < _CLIENT_ERROR:
        answer.close()
        raise HttpUnanswered(detail=f"status {answer.status}")
    return answer


def session() -> aiohttp.ClientSession:
    """Return the running loop's client that keeps connections, and that follows no redirect.

    Its caller still has to `check_url` what it requests, and to request what that returns.
    """
    return _sessions_here().get(keep=True)


async def close() -> None:
    """Close the running loop's clients and connections, if any was opened."""
    await kept.close()
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
