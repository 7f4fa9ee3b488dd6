"""A limit on refused strangers: who keeps knocking costs little, and shuts nobody out.

A call that proves nothing is refused, and each refusal is a row of the audit trail. An address that
used its allowance up is told to come back later (429), and what it tries meanwhile is counted; the
count goes on record a minute later, as one row. Credentials are verified before this is asked, so
whoever proves who they are is not held up, no matter who shares their address. What a stranger
still costs is that verification, and for a key that nobody has heard of a look-up.

The counts are those of this process: each web process has its own, and a new one begins with none.
Nothing outside is asked, so nothing outside can fail. Where more addresses knock than are kept
apart, new ones share one allowance: strangers are then refused sooner, and still nobody else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic

from asgiref.sync import async_to_sync
from django.conf import settings

from core import audit, reference
from core.errors import Throttled

log = logging.getLogger(__name__)

_MINUTE_S = 60.0
_MAX_ADDRESSES = 10_000
_ALL_OTHERS = ""
# What one subscriber has of IPv6, and could go through address by address (RFC 6177).
_IPV6_PREFIX = 64


class TooManyRefusals(Throttled):
    """Too many calls from this address proved nothing. This one did not either."""

    code = "too_many_refusals"


@dataclass(slots=True)
class _Peer:
    """What is left of an address's allowance, and the refusals that are only counted so far."""

    left: float
    at: float  # monotonic() when that much was left
    counted: Counter[str] = field(default_factory=Counter)

    def seconds_to_wait(self, a_minute: int, *, now: float) -> float:
        """Return 0 and use up one refusal, or the seconds until there is one."""
        self.left = min(a_minute, self.left + (now - self.at) * a_minute / _MINUTE_S)
        self.at = now
        if self.left < 1:
            return (1 - self.left) * _MINUTE_S / a_minute
        self.left -= 1
        return 0.0


class _Peers:
    """The addresses that were refused in the last minute or two. Whose were not, have it all."""

    def __init__(self) -> None:
        self._known: dict[str, _Peer] = {}
        self._swept_at = 0.0

    def get(self, address: str, *, a_minute: int, now: float) -> _Peer:
        if now - self._swept_at >= _MINUTE_S:
            self._known = {a: p for a, p in self._known.items() if now - p.at < _MINUTE_S}
            self._swept_at = now
        if address not in self._known and len(self._known) >= _MAX_ADDRESSES:
            address = _ALL_OTHERS
        return self._known.setdefault(address, _Peer(a_minute, now))

    def forget(self) -> None:
        self._known.clear()


_peers = _Peers()
_telling: set[asyncio.Task[None]] = set()


async def refused(event: audit.Event) -> None:
    """Put the refusal of a stranger on record, or count it where their address had too many.

    A call without an address is one of this process itself, and always on record.

    Raises:
        TooManyRefusals: it was counted. This is what the stranger is to be told.
        AuditUnavailable: the refusal could not be put on record.
    """
    await _allow(event)
    await audit.arecord(event)


def refused_on_thread(event: audit.Event) -> None:
    """Do the same in a view, which runs on a thread while the event loop serves others.

    The counts are the event loop's alone, and so is the task that tells of them a minute later: the
    loop is asked, and this thread writes the row.

    Raises:
        TooManyRefusals, AuditUnavailable: as above.
    """
    async_to_sync(_allow)(event)
    audit.record(event)


async def _allow(event: audit.Event) -> None:
    """Use up one refusal of the caller's address, or count it. Raises TooManyRefusals."""
    a_minute: int = settings.DAIKO_REFUSALS_PER_MINUTE
    client_ip = reference.current().client_ip
    if not a_minute or client_ip is None:
        return
    now = monotonic()
    peer = _peers.get(_subscriber(client_ip), a_minute=a_minute, now=now)
    wait_s = peer.seconds_to_wait(a_minute, now=now)
    if not wait_s:
        return
    if not peer.counted:
        task = asyncio.create_task(_tell_later(peer))
        _telling.add(task)
        task.add_done_callback(_telling.discard)
    peer.counted[event.reason] += 1
    raise TooManyRefusals(retry_after_s=math.ceil(wait_s))


async def settle() -> None:
    """Put on record at once what is only counted, as before the process ends."""
    await asyncio.sleep(0)  # a task that is cancelled before its first step never takes it
    waiting = list(_telling)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def forget() -> None:
    """Give every address its whole allowance again."""
    _peers.forget()


async def _tell_later(peer: _Peer) -> None:
    """Put on record what was counted of `peer`, with the address and reference of this context."""
    try:
        await asyncio.sleep(_MINUTE_S)
    finally:
        counted, peer.counted = peer.counted, Counter()
        calls = counted.total()
        try:
            await audit.arecord(
                audit.Event(
                    "strangers.refused",
                    outcome="refused",
                    reason=TooManyRefusals.code,
                    detail={"calls": calls, "reasons": dict(counted)},
                )
            )
        except audit.AuditUnavailable as exc:
            log.error("strangers.not_recorded", extra={"calls": calls, "detail": exc.detail})


def _subscriber(client_ip: str) -> str:
    """Return what counts as one address: of IPv6, a whole network."""
    ip = ipaddress.ip_address(client_ip)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is None:
        return str(ipaddress.ip_network((ip, _IPV6_PREFIX), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)
