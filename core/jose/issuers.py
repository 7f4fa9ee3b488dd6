"""An issuer's documents: fetched, renewed in the background, and served stale for a while.

A `kid` that is not among its keys may be one that it rotated to, so the key set is fetched again.
Anybody can invent a `kid`, so that is limited, and the limit must not be a way to keep a key that
was really rotated out: who comes with another unknown `kid` meanwhile waits for the next turn.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from core import http
from core.errors import AppError
from core.jose.keys import Key, import_keys
from core.jose.metadata import is_issuer_at

# Used as they are; then used while they are renewed; then renewed before they are used; and, with
# the issuer away, not used any more: a key may have been withdrawn since.
_FRESH_S = 600.0
_STALE_S = 3600.0
_USABLE_S = 86_400.0
_RETRY_S = 5.0
_FIRST_RETRY_S = 1.0
# Unknown ones, however many, have the keys fetched every five seconds at most. Who brings another
# `kid` than the last fetch was without waits for the turn; past so many, it is unknown at once. A
# longer time for one `kid` would let a stranger who guesses the next one keep it out for as long.
_BETWEEN_S = 5.0
_MAX_WAITING = 100
_MAX_LACKING = 1000


class IssuerUnavailable(AppError):
    """The issuer's documents cannot be had, and none are cached that may be used."""

    code = "issuer_unavailable"
    status = 503
    aws = "InternalServerException"


@dataclass(frozen=True, slots=True)
class Documents:
    """An issuer's metadata (RFC 8414, OpenID Connect Discovery 1.0) and its public keys."""

    issuer: str
    metadata: dict[str, Any]
    keys: dict[str, Key]
    fetched_at: float  # monotonic seconds

    def endpoint(self, name: str) -> str | None:
        """Return the URL that the metadata gives as `name`, or None."""
        value = self.metadata.get(name)
        return value if isinstance(value, str) else None

    def key(self, kid: str) -> Key | None:
        """Return the public key `kid`; without one, the only key; or None."""
        if kid:
            return self.keys.get(kid)
        return next(iter(self.keys.values())) if len(self.keys) == 1 else None


class Issuer:
    """One issuer's documents as this process knows them.

    `clock` gives monotonic seconds, and `pause` lets some of them pass.
    """

    def __init__(
        self,
        discovery_url: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.discovery_url = discovery_url
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._documents: Documents | None = None
        self._fetching: Future[Documents] | None = None
        self._tried_at = float("-inf")
        self._sought_at = float("-inf")
        self._lacking: dict[str, float] = {}  # by kid, when it was found not to be there
        self._waiting = 0

    async def documents(self) -> Documents:
        """Return the documents, renewed where they are old, stale ones where the issuer is away.

        Raises:
            IssuerUnavailable: there are none that may be used, and they cannot be fetched.
        """
        known = self._documents
        if known is None:
            return await self._wait(self._fetch(pause_s=_FIRST_RETRY_S))
        age_s = self._clock() - known.fetched_at
        if age_s <= _FRESH_S:
            return known
        fetching = self._fetch(pause_s=_RETRY_S)
        if age_s <= _STALE_S:
            return known  # this caller takes what there is
        try:
            return await self._wait(fetching)
        except IssuerUnavailable:
            if age_s > _USABLE_S:
                raise
            return known

    async def key(self, kid: str) -> Key | None:
        """Return the public key `kid`; without one, the only key. Raises IssuerUnavailable."""
        found = (await self.documents()).key(kid)
        return found if found is not None else await self._sought(kid)

    async def _sought(self, kid: str) -> Key | None:
        """Return the key `kid` if the issuer has it by now, waiting for a turn to ask."""
        came_at = self._clock()
        if came_at - self._lacking.get(kid, float("-inf")) < _BETWEEN_S:
            return None
        wait_s = self._sought_at + _BETWEEN_S - came_at
        if wait_s > 0:
            if self._waiting >= _MAX_WAITING:
                return None
            self._waiting += 1
            try:
                await self._pause(wait_s)
            finally:
                self._waiting -= 1
        try:
            # What began since this one came will do.
            documents = await self._wait(self._fetch(pause_s=self._clock() - came_at, sought=True))
        except IssuerUnavailable:
            return None
        found = documents.key(kid)
        if found is None:
            self._lacks(kid)
        return found

    def _lacks(self, kid: str) -> None:
        if len(self._lacking) >= _MAX_LACKING:
            self._lacking.clear()
        self._lacking[kid] = self._clock()

    def documents_sync(self) -> Documents:
        """Return what `documents` does, for a caller without an event loop."""
        return http.run(self.documents())

    def key_sync(self, kid: str) -> Key | None:
        """Return what `key` does, for a caller without an event loop."""
        return http.run(self.key(kid))

    def _fetch(self, *, pause_s: float, sought: bool = False) -> Future[Documents]:
        """Return the fetch under way, the last one if it is younger than `pause_s`, or a new one.

        One at a time for all event loops of the process. `sought`: because of an unknown `kid`.
        """
        with self._lock:
            last = self._fetching
            if last is None or (last.done() and self._clock() - self._tried_at >= pause_s):
                self._tried_at = self._clock()
                if sought:
                    self._sought_at = self._tried_at
                last = self._fetching = asyncio.run_coroutine_threadsafe(
                    self._load(), http.background_loop()
                )
            return last

    async def _wait(self, fetching: Future[Documents]) -> Documents:
        return await asyncio.shield(asyncio.wrap_future(fetching))

    async def _load(self) -> Documents:
        before = self._documents.keys if self._documents else {}
        try:
            metadata = await _get_object(self.discovery_url)
            issuer, jwks_uri = metadata.get("issuer"), metadata.get("jwks_uri")
            if not isinstance(issuer, str) or not isinstance(jwks_uri, str):
                raise ValueError("no issuer or jwks_uri")
            if not is_issuer_at(issuer, self.discovery_url):
                raise ValueError("the document names another issuer")
            keys = import_keys(await _get_object(jwks_uri), known=before)
        except (http.HttpError, ValueError, TypeError, RecursionError) as exc:
            raise IssuerUnavailable(
                _("The identity provider does not answer as expected."),
                detail=f"{self.discovery_url}: {getattr(exc, 'detail', '') or exc}",
            ) from None
        for kid in before.keys() - keys.keys():
            self._lacks(kid)  # withdrawn, which need not be found out again
        self._documents = Documents(issuer, metadata, keys, self._clock())
        return self._documents


async def _get_object(url: str) -> dict[str, Any]:
    answer = await http.fetch("GET", url)
    if answer.status != http.OK:
        raise ValueError(f"status {answer.status}")
    value = answer.json()
    if not isinstance(value, dict):
        raise TypeError("not a JSON object")
    return value


_issuers: dict[str, Issuer] = {}
_issuers_lock = threading.Lock()


def issuer_at(discovery_url: str) -> Issuer:
    """Return this process's view of the issuer whose discovery document is at `discovery_url`."""
    found = _issuers.get(discovery_url)
    if found is not None:
        return found
    with _issuers_lock:
        return _issuers.setdefault(discovery_url, Issuer(discovery_url))


def forget_issuers() -> None:
    """Drop every cached document of this process."""
    with _issuers_lock:
        _issuers.clear()
