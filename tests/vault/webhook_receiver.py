"""A receiver of webhooks on a real socket, which verifies by the standard's own library.

with receiving() as there:
    there.answers.append(Says(500))     # to the next request; 204 to all others
    there.received                      # what came, verified against `there.secret` if set
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from core.secret import Secret
from tests.fixtures.loopback import QuietHandler, serving


@dataclass
class Says:
    """An answer: its status and headers, and how its body comes."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hangs: bool = False  # once the headers are sent; until the receiver is closed
    silent: bool = False  # nothing at all, not even a status


@dataclass
class Received:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    def verified(self, secret: Secret | str) -> Any:
        """Return the payload, if `secret` signed it. Raises WebhookVerificationError."""
        value = secret.reveal() if isinstance(secret, Secret) else secret
        return Webhook(value).verify(self.body, self.headers)

    def is_signed_by(self, secret: Secret | str) -> bool:
        """Say whether `secret` signed it."""
        try:
            self.verified(secret)
        except WebhookVerificationError:
            return False
        return True


class Receiver:
    """The server's state. Tests read it, and change it while it runs."""

    def __init__(self, url: str) -> None:
        self.url = url + "/hooks/an-address-nobody-guesses"
        self.answers: list[Says] = []
        self.otherwise = Says()
        self.received: list[Received] = []
        self.at_once = self.most_at_once = 0
        self.let_go = threading.Event()
        self.came = threading.Event()
        self.lock = threading.Lock()

    @property
    def ids(self) -> list[str]:
        """Return the ids of what came, in order."""
        return [each.headers["webhook-id"] for each in self.received]

    def take(self, one: Received) -> Says:
        """Keep a request, and return what to say to it."""
        with self.lock:
            self.received.append(one)
            said = self.answers.pop(0) if self.answers else self.otherwise
        self.came.set()
        return said


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Yield a receiver; at the end those that wait for it are let go."""
    here: list[Receiver] = []

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            receiver = here[0]
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with receiver.lock:
                receiver.at_once += 1
                receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
            try:
                self._answer(receiver.take(Received(self.path, headers, body)), receiver)
            finally:
                with receiver.lock:
                    receiver.at_once -= 1

        def do_GET(self) -> None:
            """Keep what follows a redirect, so that a test sees it."""
            self.do_POST()

        def _answer(self, said: Says, receiver: Receiver) -> None:
            if said.silent:
                receiver.let_go.wait(30)
                return
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            length = len(said.body) + (1000 if said.hangs else 0)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(said.body)
            self.wfile.flush()
            if said.hangs:
                receiver.let_go.wait(30)

    with serving(Handler) as url:
        here.append(Receiver(url))
        try:
            yield here[0]
        finally:
            here[0].let_go.set()
