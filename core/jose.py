"""Signatures on tokens of other issuers: discovery, key sets, and the check itself.

An issuer's documents are cached, renewed in the background, and served stale while the issuer is
away. An unknown `kid` may mean that keys were rotated, so it fetches the key set again, at most
once a minute, since anybody can invent a `kid`.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NewType
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from core import http
from core.errors import AppError

# RFC 8725 section 3.1: a literal list, asymmetric only. `none` and HMAC are not on it.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
# Used as they are; then used while they are renewed; then renewed before they are used.
_FRESH_S = 600.0
_STALE_S = 3600.0
_RETRY_S = 5.0
_FIRST_RETRY_S = 1.0
_UNKNOWN_KID_S = 60.0
_WELL_KNOWN = "/.well-known/"
_MAX_TOKEN_BYTES = 131_072
_MIN_RSA_BITS = 2048


class _Registry(jws.JWSRegistry):
    """What may stand in a header: issuers put parameters of their own there, and certificates."""

    max_header_length = 16_384
    max_payload_length = _MAX_TOKEN_BYTES


_REGISTRY = _Registry(algorithms=ALGORITHMS, strict_check_header=False)

Claims = NewType("Claims", dict[str, Any])
Key = RSAKey | ECKey | OKPKey


class TokenRejected(AppError):
    """The token is not one that its issuer signed. `code` says which check it failed."""

    status = 401
    aws = "UnauthorizedException"

    def __init__(self, code: str, message: str, *, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.code = code


class IssuerUnavailable(AppError):
    """The issuer's documents cannot be had, and none are cached."""

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


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A parsed JWS whose signature nobody has checked: good for choosing a key, and no more."""

    raw: str
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def kid(self) -> str:
        """Return the key id of the header, or the empty string."""
        return str(self.header.get("kid", ""))


class Issuer:
    """One issuer's documents as this process knows them. `clock` gives monotonic seconds."""

    def __init__(self, discovery_url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.discovery_url = discovery_url
        self._clock = clock
        self._lock = threading.Lock()
        self._documents: Documents | None = None
        self._fetching: Future[Documents] | None = None
        self._tried_at = float("-inf")
        self._asked_unknown_at = float("-inf")

    async def documents(self) -> Documents:
        """Return the documents, renewed where they are old, stale ones where the issuer is away.

        Raises:
            IssuerUnavailable: there are none and they cannot be fetched.
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
            return known

    async def key(self, kid: str) -> Key | None:
        """Return the public key `kid`; without one, the only key. Raises IssuerUnavailable."""
        found = _pick(await self.documents(), kid)
        if found is not None or self._clock() - self._asked_unknown_at < _UNKNOWN_KID_S:
            return found
        self._asked_unknown_at = self._clock()
        try:
            return _pick(await self._wait(self._fetch()), kid)
        except IssuerUnavailable:
            return None

    def documents_sync(self) -> Documents:
        """Return what `documents` does, for a caller without an event loop."""
        return http.run(self.documents())

    def key_sync(self, kid: str) -> Key | None:
        """Return what `key` does, for a caller without an event loop."""
        return http.run(self.key(kid))

    def _fetch(self, *, pause_s: float = 0.0) -> Future[Documents]:
        """Return the fetch under way, the last one if it is younger than `pause_s`, or a new one.

        One at a time for all event loops of the process.
        """
        with self._lock:
            last = self._fetching
            if last is None or (last.done() and self._clock() - self._tried_at >= pause_s):
                self._tried_at = self._clock()
                last = self._fetching = asyncio.run_coroutine_threadsafe(
                    self._load(), http.background_loop()
                )
            return last

    async def _wait(self, fetching: Future[Documents]) -> Documents:
        return await asyncio.shield(asyncio.wrap_future(fetching))

    async def _load(self) -> Documents:
        try:
            metadata = await _get_object(self.discovery_url)
            issuer, jwks_uri = metadata.get("issuer"), metadata.get("jwks_uri")
            if not isinstance(issuer, str) or not isinstance(jwks_uri, str):
                raise ValueError("no issuer or jwks_uri")
            if not is_issuer_at(issuer, self.discovery_url):
                raise ValueError("the document names another issuer")
            keys = _import_keys(await _get_object(jwks_uri))
        except (http.HttpError, ValueError, TypeError, RecursionError) as exc:
            raise IssuerUnavailable(
                _("The identity provider does not answer as expected."),
                detail=f"{self.discovery_url}: {getattr(exc, 'detail', '') or exc}",
            ) from None
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


def _import_keys(jwks: dict[str, Any]) -> dict[str, Key]:
    """Return the signing keys by `kid`, leaving out what is symmetric, weak or not understood."""
    listed = jwks.get("keys")
    if not isinstance(listed, list):
        raise TypeError("no list of keys")
    keys: dict[str, Key] = {}
    for entry in listed:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            imported = next(iter(KeySet.import_key_set({"keys": [entry]})))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        weak = isinstance(imported, RSAKey) and imported.raw_value.key_size < _MIN_RSA_BITS
        if isinstance(imported, RSAKey | ECKey | OKPKey) and not weak:
            keys[str(entry.get("kid", ""))] = imported
    return keys


def _pick(documents: Documents, kid: str) -> Key | None:
    if kid:
        return documents.keys.get(kid)
    return next(iter(documents.keys.values())) if len(documents.keys) == 1 else None


def numeric_date(value: Any) -> float | None:
    """Return a NumericDate (RFC 7519 section 2) as seconds; None: it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e12 else None  # noqa: PLR2004  (NaN and absurd dates)


_issuers: dict[str, Issuer] = {}
_issuers_lock = threading.Lock()


def issuer_at(discovery_url: str) -> Issuer:
    """Return this process's view of the issuer whose discovery document is at `discovery_url`."""
    with _issuers_lock:
        return _issuers.setdefault(discovery_url, Issuer(discovery_url))


def forget_issuers() -> None:
    """Drop every cached document of this process."""
    with _issuers_lock:
        _issuers.clear()


def discovery_url_of(issuer: str) -> str:
    """Return where `issuer` publishes its metadata (OpenID Connect Discovery 1.0 section 4)."""
    return issuer.rstrip("/") + _WELL_KNOWN + "openid-configuration"


def discovery_urls_of(issuer: str) -> tuple[str, ...]:
    """Return every place where `issuer` may publish its metadata.

    They are those of OpenID Connect Discovery 1.0 section 4, of RFC 8414 section 3.1, where the
    path of the issuer comes last, and the crossings of the two that are in use. What is no URL has
    none.
    """
    try:
        parts = urlsplit(issuer)
    except ValueError:
        return ()
    if any(c.isspace() for c in issuer):
        return ()  # urlsplit passes over some blanks
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    names = ("openid-configuration", "oauth-authorization-server")
    appended = [origin + path + _WELL_KNOWN + name for name in names]
    inserted = [origin + _WELL_KNOWN + name + path for name in names]
    return tuple(dict.fromkeys(appended + inserted))


def is_issuer_at(issuer: str, discovery_url: str) -> bool:
    """Say whether a document at `discovery_url` may speak for `issuer` (RFC 8414 section 3.3).

    Otherwise whoever runs one provider could issue tokens in the name of another.
    """
    return discovery_url in discovery_urls_of(issuer)


def parse(token: str) -> UnverifiedToken:
    """Return the parts of a compact JWS, unverified. Raises TokenRejected (`malformed`)."""
    if len(token) > _MAX_TOKEN_BYTES:
        raise TokenRejected("malformed", "Failed to parse token", detail="too long")
    parts = token.split(".")
    try:
        if len(parts) != 3:  # noqa: PLR2004  (header, payload, signature: RFC 7515 section 7.1)
            raise ValueError("not three parts")
        header, claims = (json.loads(urlsafe_b64decode(part.encode("ascii"))) for part in parts[:2])
    except (ValueError, RecursionError) as exc:
        raise TokenRejected("malformed", "Failed to parse token", detail=str(exc)) from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRejected("malformed", "Failed to parse token", detail="not JSON objects")
    return UnverifiedToken(token, header, claims)


def check_signature(token: UnverifiedToken, key: Key | None) -> Claims:
    """Return the claims of `token` once `key` has verified them (RFC 7515 section 5.2).

    Raises:
        TokenRejected: the algorithm is not on the list, there is no such key, the header asks for
            an extension, or the signature is not the key's.
    """
    algorithm = token.header.get("alg")
    if algorithm not in ALGORITHMS:
        raise TokenRejected(
            "algorithm_not_allowed",
            "Token algorithm is not allowed",
            detail=f"alg {str(algorithm)[:32]!r}",
        )
    if "crit" in token.header:
        raise TokenRejected("critical_header", "Token has a critical header that is not understood")
    if key is None:
        raise TokenRejected(
            "unknown_key", "Token key is not known", detail=f"kid {token.kid[:64]!r}"
        )
    try:
        verified = jws.deserialize_compact(
            token.raw, key, algorithms=ALGORITHMS, registry=_REGISTRY
        )
        claims = json.loads(verified.payload or b"")
    # RecursionError: it is nested as deep as `parse` just took, and this reads it from deeper.
    except (JoseError, ValueError, TypeError, RecursionError) as exc:
        raise TokenRejected(
            "bad_signature", "Token signature is not valid", detail=type(exc).__name__
        ) from None
    if not isinstance(claims, dict):
        raise TokenRejected("malformed", "Failed to parse token", detail="claims not an object")
    return Claims(claims)
