"""An agent as a real HTTP server, whose answers a test writes itself, piece by piece."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fixtures.loopback import QuietHandler, serving

PATIENCE_S = 10.0


@dataclass
class Called:
    """One call of the agent."""

    headers: dict[str, str]
    body: dict[str, Any]
    path: str = ""

    @property
    def prompt(self) -> str:
        return str(self.body["prompt"])


class Reply:
    """The answer to one call, under way."""

    def __init__(
        self, handler: BaseHTTPRequestHandler, server: AgentServer, asked: dict[str, Any]
    ) -> None:
        self.asked = asked
        self._handler = handler
        self._server = server

    def start(self, content_type: str, *, status: int = 200) -> None:
        """Send the head."""
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", content_type)
        self._handler.send_header("Connection", "close")
        self._handler.end_headers()

    def write(self, raw: bytes) -> None:
        """Send a piece of the body. Raises OSError: nobody listens any more."""
        self._handler.wfile.write(raw)
        self._handler.wfile.flush()

    def event(self, data: Any) -> None:
        """Send one server-sent event with `data` as JSON."""
        self.write(f"data: {json.dumps(data)}\n\n".encode())

    def stream(self, *data: Any) -> None:
        """Send the head of an event stream, and these events."""
        self.start("text/event-stream")
        for item in data:
            self.event(item)

    def text(self, text: str) -> None:
        """Send one piece of text in the model's own form."""
        self.event({"event": {"contentBlockDelta": {"delta": {"text": text}}}})

    def wait_to_go_on(self) -> None:
        """Wait until the test lets the agent go on."""
        assert self._server.may_go_on.wait(PATIENCE_S), "the test never let the agent go on"

    def wait_until_left(self) -> None:
        """Go on writing until nobody listens, and say so to the test."""
        while not self._server.closing.wait(0.02):
            try:
                self.write(b": beat\n\n")
            except OSError:
                self._server.left.set()
                return


Behaviour = Callable[[Reply], None]
# What is at another path than the agent: it is given the call, and returns status and JSON.
Other = Callable[["Called"], tuple[int, dict[str, Any]]]


def silent(reply: Reply) -> None:
    """Begin an answer and say nothing in it."""
    reply.stream()
    reply.wait_until_left()


class AgentServer:
    """The agent; `behaviour` writes its answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[Called] = []
        self.others: dict[str, Other] = {}  # by the end of the path
        self.behaviour: Behaviour = lambda reply: reply.stream("Hello.")
        self.may_go_on = threading.Event()
        self.left = threading.Event()
        self.closing = threading.Event()


@contextmanager
def serving_agent() -> Iterator[AgentServer]:
    """Run an agent on a free port of this machine."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = b""
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            called = Called(headers, json.loads(body or b"{}"), self.path)
            path = self.path.partition("?")[0]
            for end, other in agent.others.items():
                if path.endswith(end):
                    status, said = other(called)
                    reply = Reply(self, agent, called.body)
                    reply.start("application/json", status=status)
                    reply.write(json.dumps(said).encode())
                    return
            agent.calls.append(called)
            agent.behaviour(Reply(self, agent, called.body))

    with serving(Handler) as url:
        agent = AgentServer(url)
        try:
            yield agent
        finally:
            agent.closing.set()
            agent.may_go_on.set()
