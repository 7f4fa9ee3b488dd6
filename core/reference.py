"""The reference of the request being served: one id on the page, in the log and in the audit."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Reference:
    """Names one request: its id, and the address it came from where that is known.

    `invocation` is the id of the call to an agent in whose course the agent asks this, if it does;
    `chain` names the workload identities through which that agent was called, the newest first.
    """

    id: str
    client_ip: str | None = None
    invocation: str = ""
    chain: tuple[str, ...] = ()


_ID_BYTES = 10
_current: ContextVar[Reference | None] = ContextVar("daiko_reference", default=None)


def begin(client_ip: str | None = None) -> Reference:
    """Start a new reference in this context and return it.

    What is not an address, as the peer of a unix socket, is left out.
    """
    reference = Reference(secrets.token_hex(_ID_BYTES), _address(client_ip or ""))
    _current.set(reference)
    return reference


@lru_cache(maxsize=1024)
def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def resume(reference_id: str) -> None:
    """Go on in this context under a reference that was begun elsewhere."""
    _current.set(Reference(reference_id))


@contextmanager
def during(invocation: str, chain: tuple[str, ...] = ()) -> Iterator[None]:
    """Note for this block that it serves what an agent asks during a call to it; empty: none."""
    before = _current.set(replace(current(), invocation=invocation, chain=chain))
    try:
        yield
    finally:
        _current.reset(before)


def current() -> Reference:
    """Return this context's reference; outside a request, a new one."""
    return _current.get() or begin()
