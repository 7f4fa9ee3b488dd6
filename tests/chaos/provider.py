"""A token endpoint that rotates, forgives little, goes wrong by a seed, and remembers everything.

A refresh token is good once. Shown again within the grace it gets the same answer again; after it,
or where there is no grace, its whole family ends, as RFC 9700 section 4.14.2 wants it.
"""

from __future__ import annotations

import json
import random
import secrets
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import parse_qs

from tests.fixtures.loopback import QuietHandler, serving


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


@dataclass
class Family:
    """What came of one consent."""

    subject: str
    current: str = ""
    access: str = ""
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
    """The server's state. The storm reads it when all is still."""

    grace_s: float
    time_out_s: float
    rng: random.Random
    fault_rate: float = 0.0
    url: str = ""
    families: list[Family] = field(default_factory=list)
    live: dict[str, Family] = field(default_factory=dict)  # by refresh token
    spent: dict[str, Spent] = field(default_factory=dict)
    faults: Counter[Fault] = field(default_factory=Counter)
    # Families that ended because a token was shown again outside the grace: there must be none.
    ended: list[str] = field(default_factory=list)
    unknown: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    still: threading.Event = field(default_factory=threading.Event)

    def consent(self, subject: str) -> dict[str, Any]:
        """Return the first tokens of a new family."""
        with self.lock:
            family = Family(subject)
            self.families.append(family)
            return self._issue(family)

    def exchange(self, token: str) -> dict[str, Any] | None:
        """Return new tokens for a refresh token, or None where it is refused."""
        with self.lock:
            now = time.monotonic()
            family = self.live.pop(token, None)
            if family is not None:
                if family.ended:
                    return None
                answer = self._issue(family)
                self.spent[token] = Spent(now, family, answer)
                return answer
            spent = self.spent.get(token)
            if spent is None:
                self.unknown += 1
                return None
            spent.shown += 1
            if now - spent.at <= self.grace_s:
                return spent.answer
            spent.family.ended = True
            self.ended.append(f"{spent.family.subject}: again after {now - spent.at:.1f} s")
            return None

    def takes(self, access: str, subject: str) -> bool:
        """Say whether `access` is the token that `subject` should have now."""
        with self.lock:
            return any(
                family.subject == subject and not family.ended and family.access == access
                for family in self.families
            )

    def draw(self) -> Fault | None:
        """Return what goes wrong next."""
        with self.lock:
            fault = None
            if self.rng.random() < self.fault_rate:
                fault = self.rng.choice(list(Fault))
                self.faults[fault] += 1
            return fault

    def _issue(self, family: Family) -> dict[str, Any]:
        family.current = f"rt-{secrets.token_urlsafe(24)}"
        family.access = f"{family.subject}.{secrets.token_urlsafe(24)}"
        self.live[family.current] = family
        return {
            "access_token": family.access,
            "refresh_token": family.current,
            "token_type": "Bearer",
            "expires_in": 3600,
        }


@contextmanager
def providing(provider: Provider) -> Iterator[None]:
    """Serve `provider` on a free port of this machine."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            form = {
                name: values[0]
                for name, values in parse_qs(self.rfile.read(length).decode()).items()
            }
            if form["grant_type"] == "password":  # the storm's own way to a consent
                self._send(200, json.dumps(provider.consent(form["subject"])).encode())
                return
            fault = provider.draw()
            if fault in _BEFORE:
                self._go_wrong(fault, b"")
                return
            answer = provider.exchange(form["refresh_token"])
            provider.still.wait(0.005)  # the time between the rotation and the answer
            if answer is None:
                self._send(400, b'{"error": "invalid_grant"}')
            elif fault is not None:
                self._go_wrong(fault, json.dumps(answer).encode())
            else:
                self._send(200, json.dumps(answer).encode())

        def _go_wrong(self, fault: Fault | None, body: bytes) -> None:
            match fault:
                case Fault.TIME_OUT_BEFORE | Fault.TIME_OUT_AFTER:
                    provider.still.wait(2 * provider.time_out_s)
                    self.close_connection = True
                case Fault.RESET_BEFORE | Fault.RESET_AFTER:
                    now = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                    self.close_connection = True
                case Fault.ERROR_500:
                    self._send(500, b"<h1>Oops</h1>")
                case Fault.TOO_MANY:
                    self._send(429, b"{}", retry_after="1")
                case Fault.MALFORMED:
                    self._send(200, body[: len(body) // 2])
                case _:
                    self._send(200, body, pause_s=provider.time_out_s / 2)

        def _send(
            self, status: int, body: bytes, *, retry_after: str = "", pause_s: float = 0.0
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            middle = len(body) // 2
            self.wfile.write(body[:middle])
            if pause_s:
                self.wfile.flush()
                provider.still.wait(pause_s)
            self.wfile.write(body[middle:])

    with serving(Handler) as url:
        provider.url = url
        try:
            yield
        finally:
            provider.still.set()
