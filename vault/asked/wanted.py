"""What an agent asks the vault for, and what it gets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from core.errors import FieldError, InvalidRequest
from core.secret import Secret


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for, in the wire API's words."""

    scopes: tuple[str, ...]
    return_url: str | None
    custom_state: Secret | None
    custom_parameters: Mapping[str, Secret]
    resources: tuple[str, ...]
    forced: bool
    runtime_session_id: str = ""
    audiences: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """Return the key of what the token is to be used at; see `target_of`."""
        return target_of(self.resources, self.audiences)


@dataclass(frozen=True, slots=True)
class ResourceToken:
    """An access token that may leave, and what its issuer said of it (RFC 6749 section 5.1)."""

    access: Secret
    expires_at: datetime | None
    scopes: tuple[str, ...]
    token_type: str = "Bearer"  # noqa: S105  (the only kind that is taken)


def target_of(resources: Iterable[str], audiences: Iterable[str]) -> str:
    """Return one short key for where a token is to be used; empty where nothing was named.

    A token that was got for some resources answers nobody who asks for others.
    """
    named = [sorted(set(resources)), sorted(set(audiences))]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest() if any(named) else ""


def resources_of(named: Iterable[str]) -> tuple[str, ...]:
    """Return resource indicators, each once and in order.

    Raises:
        InvalidRequest: one is not an absolute URI, or has a fragment (RFC 8707 section 2).
    """
    found = tuple(sorted(set(named)))
    for resource in found:
        if not _is_indicator(resource):
            told = "must be an absolute URI without a fragment (RFC 8707)"
            raise InvalidRequest(
                f"A member of resources {told}.", fields=(FieldError("resources", told),)
            )
    return found


def _is_indicator(resource: str) -> bool:
    try:
        parts = urlsplit(resource)
    except ValueError:
        return False
    named = parts.netloc or parts.path
    return bool(parts.scheme and named and resource.isprintable()) and "#" not in resource
