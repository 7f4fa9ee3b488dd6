"""What providers say of themselves (RFC 8414, OpenID Connect Discovery 1.0).

Kept by each process for ten minutes, and served stale while the provider is away. Unlike an issuer
whose tokens we verify (`core.jose`), an authorization server need not publish keys.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core import http, jose
from vault.errors import ProviderMetadataWrong, ProviderUnavailable

_FRESH_S = 600.0
_RETRY_S = 5.0
_TIMEOUT_S = 10.0
# For a page that says more if it is known: how long it may take, and how soon it may again.
_GLANCE_S, _NEXT_GLANCE_S = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class Metadata:
    """A provider's metadata. Only `_read` makes one, so its issuer was checked."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str | None
    announces_iss: bool


class _Provider:
    """One provider's metadata as this process knows it."""

    def __init__(self, discovery_url: str) -> None:
        self._url = discovery_url
        self._lock = threading.Lock()
        self._known: Metadata | None = None
        self._read_at = self._tried_at = float("-inf")

    def metadata(self, *, timeout_s: float) -> Metadata:
        """Return the metadata; one thread reads it anew while others take what there is."""
        known = self._known
        if known is not None and not self._lock.acquire(blocking=False):
            return known
        if known is None:
            self._lock.acquire()
        try:
            return self._current(timeout_s=timeout_s)
        finally:
            self._lock.release()

    def glance(self) -> Metadata | None:
        """Return what is known, or can be had in a moment."""
        recent = time.monotonic() - self._tried_at < _NEXT_GLANCE_S
        if self._known is not None or recent or not self._lock.acquire(blocking=False):
            return self._known
        try:
            return self._current(timeout_s=_GLANCE_S)
        except (ProviderUnavailable, ProviderMetadataWrong):
            return None
        finally:
            self._lock.release()

    def _current(self, *, timeout_s: float) -> Metadata:
        now = time.monotonic()
        if self._known is not None and (
            now - self._read_at < _FRESH_S or now - self._tried_at < _RETRY_S
        ):
            return self._known
        self._tried_at = now
        try:
            self._known = _read(self._url, timeout_s)
        except (ProviderUnavailable, ProviderMetadataWrong):
            if self._known is None:
                raise
        else:
            self._read_at = now
        return self._known


def _read(discovery_url: str, timeout_s: float) -> Metadata:
    host = urlsplit(discovery_url).hostname
    try:
        answer = http.fetch_sync("GET", discovery_url, timeout_s=timeout_s)
    except http.HttpError as exc:
        raise ProviderUnavailable(detail=exc.detail) from None
    if answer.status != http.OK:
        raise ProviderUnavailable(detail=f"status {answer.status} from {host}")
    try:
        said = answer.json()
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ProviderMetadataWrong(detail=f"no JSON object from {host}")
    issuer = said.get("issuer")
    # RFC 8414 section 3.3: else one server could send our codes and secrets to another.
    if not isinstance(issuer, str) or not jose.is_issuer_at(issuer, discovery_url):
        raise ProviderMetadataWrong(
            _("Its metadata names another issuer."), detail=f"issuer mismatch at {host}"
        )
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_url(said, "authorization_endpoint", host),
        token_endpoint=_url(said, "token_endpoint", host),
        revocation_endpoint=(
            _url(said, "revocation_endpoint", host) if "revocation_endpoint" in said else None
        ),
        announces_iss=said.get("authorization_response_iss_parameter_supported") is True,
    )


def _url(said: dict[str, Any], name: str, host: str | None) -> str:
    value = said.get(name)
    try:
        http.check_url(value if isinstance(value, str) else "")
    except http.HttpRefused as exc:
        raise ProviderMetadataWrong(
            format_lazy(_("Its metadata has no usable {name}."), name=name),
            detail=f"{name} of {host}: {exc.detail}",
        ) from None
    return str(value)


_providers: dict[str, _Provider] = {}
_providers_lock = threading.Lock()


def metadata_at(discovery_url: str, *, timeout_s: float = _TIMEOUT_S) -> Metadata:
    """Return the metadata published at `discovery_url`, asking for it if it is not known.

    Raises:
        ProviderUnavailable: it cannot be had, and none is kept.
        ProviderMetadataWrong: it names another issuer, or lacks an endpoint.
    """
    return _provider_at(discovery_url).metadata(timeout_s=timeout_s)


def glance_at(discovery_url: str) -> Metadata | None:
    """Return the metadata published at `discovery_url` if it can be had at once, or None.

    While there is none, it is asked for once a minute, and for two seconds at most.
    """
    return _provider_at(discovery_url).glance()


def _provider_at(discovery_url: str) -> _Provider:
    with _providers_lock:
        return _providers.setdefault(discovery_url, _Provider(discovery_url))


def forget() -> None:
    """Drop all that this process keeps, so that the next use asks again."""
    with _providers_lock:
        _providers.clear()
