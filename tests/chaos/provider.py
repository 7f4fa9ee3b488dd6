"""Token endpoints that rotate, forgive little, go wrong by a seed, and remember everything.

A refresh token is good once. Shown again within the grace it gets the same answer again; after it,
or where there is no grace, its whole family ends, as RFC 9700 section 4.14.2 wants it. A refresh
token that was rotated away is not one by which a family is revoked (RFC 7009): who was given a
token that nobody keeps has to name that very token.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

import uvloop


class Fault(Enum):
    """What goes wrong at one request. BEFORE: nothing was done; AFTER: all of it was."""

    TIME_OUT_BEFORE = "time-out before rotation"
    TIME_OUT_AFTER = "time-out after rotation"
    RESET_BEFORE = "reset before rotation"
    RESET_AFTER = "reset after rotation"
    ERROR_500 = "500"
    TOO_MANY = "429"
    MALFORMED = "malformed body"
    SLOW = "slow body"


_BEFORE = {Fault.TIME_OUT_BEFORE, Fault.RESET_BEFORE, Fault.ERROR_500, Fault.TOO_MANY}
# A 429 closes the provider to everybody for a second, and so is drawn more seldom than the others.
_SHARES = {fault: 1 if fault is Fault.TOO_MANY else 4 for fault in Fault}
_ANSWERS_IN_S = 0.005
_END_OF_HEAD = b"\r\n\r\n"
_REASONS = {200: "OK", 400: "Bad Request", 429: "Too Many Requests", 500: "Internal Server Error"}


def mark_of(token: str) -> str:
    """Return by what processes name a token in what they say."""
    return sha256(token.encode()).hexdigest()[:16]


@dataclass
class Family:
    """What came of one consent of `owner`, which says who consented for whom and where."""

    owner: str
    number: int
    current: str = ""
    access: str = ""
    # By which exchange the current tokens were given; empty: by the consent.
    given_for: str = ""
    issued_at: list[float] = field(default_factory=list)
    ended: bool = False


@dataclass
class Spent:
    """A refresh token that was exchanged: when, for what, and how often it was shown."""

    at: float
    family: Family
    answer: dict[str, Any]
    shown: int = 1


@dataclass
class Provider:
    """The state of one token endpoint. The storm reads it when all is still."""

    name: str
    grace_s: float
    time_out_s: float
    rng: random.Random
    fault_rate: float = 0.0
    url: str = ""
    families: list[Family] = field(default_factory=list)
    live: dict[str, Family] = field(default_factory=dict)  # by refresh token
    spent: dict[str, Spent] = field(default_factory=dict)
    faults: Counter[Fault] = field(default_factory=Counter)
    requests: int = 0
    # Families that ended because a token was shown again outside the grace: there must be none.
    ended: list[str] = field(default_factory=list)
    unknown: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def consent(self, owner: str) -> dict[str, Any]:
        """Return the first tokens of a new family."""
        with self.lock:
            family = Family(owner, len(self.families))
            self.families.append(family)
            return self._issue(family)

    def exchange(self, token: str) -> dict[str, Any] | None:
        """Return new tokens for a refresh token, or None where it is refused."""
        with self.lock:
            now = time.monotonic()
            family = self.live.get(token)
            if family is not None:
                if family.ended:
                    return None
                del self.live[token]
                answer = self._issue(family)
                family.given_for = mark_of(token)
                self.spent[token] = Spent(now, family, answer)
                return answer
            spent = self.spent.get(token)
            if spent is None:
                self.unknown += 1
                return None
            if spent.family.ended:
                return None
            spent.shown += 1
            if now - spent.at <= self.grace_s:
                return spent.answer
            spent.family.ended = True
            self.ended.append(f"{spent.family.owner}: again after {now - spent.at:.1f} s")
            return None

    def revoke(self, token: str) -> None:
        """End the family of a refresh token, if it is the one that is good now."""
        with self.lock:
            family = self.live.get(token)
            if family is not None:
                family.ended = True

    def family_of(self, access: str) -> tuple[Family, int] | None:
        """Return the family of an access token and its number there; None: nobody issued it."""
        _, _, rest = access.partition("~")
        try:
            number, serial, _ = rest.split("~")
            family = self.families[int(number)]
        except (ValueError, IndexError):
            return None
        return family, int(serial)

    def draw(self) -> Fault | None:
        """Return what goes wrong next."""
        with self.lock:
            self.requests += 1
            if self.rng.random() >= self.fault_rate:
                return None
            [fault] = self.rng.choices(list(_SHARES), list(_SHARES.values()))
            self.faults[fault] += 1
            return fault

    def _issue(self, family: Family) -> dict[str, Any]:
        serial = len(family.issued_at)
        family.issued_at.append(time.monotonic())
        family.current = f"rt-{secrets.token_urlsafe(18)}"
        family.access = f"{family.owner}~{family.number}~{serial}~{secrets.token_urlsafe(18)}"
        self.live[family.current] = family
        return {
            "access_token": family.access,
            "refresh_token": family.current,
            "token_type": "Bearer",
            "expires_in": 3600,
        }


@contextmanager
def providing(providers: list[Provider]) -> Iterator[None]:
    """Serve providers on one free port of this machine, each below its name."""
    by_path = {f"/{provider.name}": provider for provider in providers}
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        answering: set[asyncio.Task[None]] = set()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            this = asyncio.current_task()
            assert this is not None
            answering.add(this)
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await _answer(by_path, reader, writer)
            answering.discard(this)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=256)
        port = server.sockets[0].getsockname()[1]
        for path, provider in by_path.items():
            provider.url = f"http://127.0.0.1:{port}{path}"
        loops.append(asyncio.get_running_loop())
        ready.set()
        await stop.wait()
        server.close()
        for task in answering:
            task.cancel()

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()


async def _answer(
    by_path: dict[str, Provider], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the one request of a connection."""
    head = (await reader.readuntil(_END_OF_HEAD)).decode("latin-1")
    path = head.split(" ", 2)[1]
    length = next(
        int(line.partition(":")[2])
        for line in head.split("\r\n")
        if line.lower().startswith("content-length:")
    )
    sent = parse_qs((await reader.readexactly(length)).decode())
    where, _, what = path.rpartition("/")
    provider = by_path[where]
    if what == "revoke":
        provider.revoke(sent["token"][0])
        await _send(writer, 200, b"")
        return
    fault = provider.draw()
    answer = None
    if fault not in _BEFORE:
        answer = provider.exchange(sent["refresh_token"][0])
        await asyncio.sleep(_ANSWERS_IN_S)  # the time between the rotation and the answer
        if answer is None:
            await _send(writer, 400, b'{"error": "invalid_grant"}')
            return
    body = json.dumps(answer).encode()
    match fault:
        case Fault.TIME_OUT_BEFORE | Fault.TIME_OUT_AFTER:
            await asyncio.sleep(2 * provider.time_out_s)
        case Fault.RESET_BEFORE | Fault.RESET_AFTER:
            writer.transport.abort()
        case Fault.ERROR_500:
            await _send(writer, 500, b"<h1>Oops</h1>")
        case Fault.TOO_MANY:
            await _send(writer, 429, b"{}", retry_after="1")
        case Fault.MALFORMED:
            await _send(writer, 200, body[: len(body) // 2])
        case Fault.SLOW:
            await _send(writer, 200, body, pause_s=provider.time_out_s / 2)
        case None:
            await _send(writer, 200, body)


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes,
    *,
    retry_after: str = "",
    pause_s: float = 0.0,
) -> None:
    lines = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *([f"Retry-After: {retry_after}"] if retry_after else []),
    ]
    middle = len(body) // 2 if pause_s else len(body)
    writer.write("\r\n".join(lines).encode() + _END_OF_HEAD + body[:middle])
    await writer.drain()
    if pause_s:
        await asyncio.sleep(pause_s)
        writer.write(body[middle:])
        await writer.drain()
