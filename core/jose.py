"""Signatures on tokens of other issuers: discovery, key sets, and the check itself.

An issuer's documents are cached and served stale while the issuer is away. An unknown `kid` may mean
that keys were rotated, so it fetches the key set again, at most once a minute, since anybody can
invent a `kid`.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NewType

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from core import http
from core.errors import AppError

# RFC 8725 section 3.1: a literal list, asymmetric only. `none` and HMAC are not on it.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
              "EdDSA", "Ed25519")  # fmt: skip
_FRESH_S = 600.0
_RETRY_S = 5.0
_UNKNOWN_KID_S = 60.0
_MAX_TOKEN_BYTES = 131_072
_MIN_RSA_BITS = 2048

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
    """One issuer's documents as this process knows them."""

    def __init__(self, discovery_url: str) -> None:
        self.discovery_url = discovery_url
        self._lock = threading.Lock()
        self._documents: Documents | None = None
        self._fetching: Future[Documents] | None = None
        self._tried_at = float("-inf")
        self._asked_unknown_at = float("-inf")

    async def documents(self) -> Documents:
        """Return the documents, fetched if there are none, or stale ones while they are renewed.

        Raises:
            IssuerUnavailable: there are none and they cannot be fetched.
        """
        known = self._documents
        if known is None:
            return await self._wait(self._fetch())
        if self._age(known) > _FRESH_S and self._since_try() > _RETRY_S:
            self._fetch()  # in the background; this caller takes what there is
        return known

    async def key(self, kid: str) -> Key | None:
        """Return the public key `kid`; without one, the only key. Raises IssuerUnavailable."""
        found = _pick(await self.documents(), kid)
        if found is not None or time.monotonic() - self._asked_unknown_at < _UNKNOWN_KID_S:
            return found
        self._asked_unknown_at = time.monotonic()
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

    def _age(self, documents: Documents) -> float:
        return time.monotonic() - documents.fetched_at

    def _since_try(self) -> float:
        return time.monotonic() - self._tried_at

    def _fetch(self) -> Future[Documents]:
        """Return the fetch under way, begun if there is none: one at a time for all loops."""
        with self._lock:
            if self._fetching is None or self._fetching.done():
                self._tried_at = time.monotonic()
                self._fetching = asyncio.run_coroutine_threadsafe(
                    self._load(), http.background_loop()
                )
            return self._fetching

    async def _wait(self, fetching: Future[Documents]) -> Documents:
        return await asyncio.shield(asyncio.wrap_future(fetching))

    async def _load(self) -> Documents:
        try:
            metadata = await _get_object(self.discovery_url)
            issuer, jwks_uri = metadata.get("issuer"), metadata.get("jwks_uri")
            if not isinstance(issuer, str) or not isinstance(jwks_uri, str):
                raise ValueError("no issuer or jwks_uri")
            keys = _import_keys(await _get_object(jwks_uri))
        except (http.HttpError, ValueError, TypeError) as exc:
            raise IssuerUnavailable(
                "The identity provider does not answer as expected.",
                detail=f"{self.discovery_url}: {getattr(exc, 'detail', '') or exc}",
            ) from None
        self._documents = Documents(issuer, metadata, keys, time.monotonic())
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
    keys: dict[str, Key] = {}
    for entry in jwks.get("keys", []):
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
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


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
        raise TokenRejected("algorithm_not_allowed", "Token algorithm is not allowed",
                            detail=f"alg {str(algorithm)[:32]!r}")  # fmt: skip
    if "crit" in token.header:
        raise TokenRejected("critical_header", "Token has a critical header that is not understood")
    if key is None:
        raise TokenRejected("unknown_key", "Token key is not known", detail=f"kid {token.kid[:64]!r}")
    try:
        verified = jws.deserialize_compact(
            token.raw, key, algorithms=list(ALGORITHMS), registry=_registry()
        )
        claims = json.loads(verified.payload or b"")
    except (JoseError, ValueError, TypeError) as exc:
        raise TokenRejected(
            "bad_signature", "Token signature is not valid", detail=type(exc).__name__
        ) from None
    if not isinstance(claims, dict):
        raise TokenRejected("malformed", "Failed to parse token", detail="claims not an object")
    return Claims(claims)


def _registry() -> jws.JWSRegistry:
    # Issuers put private parameters into the header; none of them changes how we verify.
    return jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
