"""An agent on a real socket that does what a test says, and notes what it was sent."""

from __future__ import annotations

import json
import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    """One request as it arrived, and the way to answer it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool
    socket: socket.socket

    def header(self, name: str) -> str | None:
        """Return the one value of a header; two are never sent."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} stands {len(values)} times"
        return values[0] if values else None

    def names(self) -> set[str]:
        return {name.lower() for name, _ in self.headers}

    def answer(self, body: Any, *, status: str = "200 OK", **headers: str) -> None:
        """Answer at once; JSON unless it is bytes."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", "content-length": str(len(raw)), **headers}
        lines = [f"HTTP/1.1 {status}", *(f"{k.replace('_', '-')}: {v}" for k, v in sent.items())]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + raw)

    def begin(self, content_type: str = "text/event-stream") -> None:
        """Begin an answer in chunks."""
        self.socket.sendall(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: "
            + content_type.encode()
            + b"\r\n\r\n"
        )

    def chunk(self, data: bytes) -> None:
        self.socket.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self) -> None:
        self.socket.sendall(b"0\r\n\r\n")

    def left_within(self, seconds: float) -> bool:
        """Say whether the other side hangs up within that time."""
        ready, _, _ = select.select([self.socket], [], [], seconds)
        if not ready:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


Behaviour = Callable[[Call], None]


def hello(call: Call) -> None:
    """Answer as an agent does that is well."""
    call.answer({"said": "hello"})


@dataclass
class SmallAgent:
    """A running agent."""

    url: str
    behaviour: Behaviour = hello
    calls: list[Call] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    connected: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    connections: int = 0

    def wait_for_connection(self) -> None:
        """Wait until somebody connects."""
        assert self.connected.acquire(timeout=10), "nobody connected"

    def next_call(self) -> Call:
        """Return the call that arrives next, or one that did already."""
        assert self.arrived.acquire(timeout=10), "no call arrived"
        return self.calls[-1]


@contextmanager
def small_agent(host: str = "127.0.0.1") -> Iterator[SmallAgent]:
    """Run an agent on a free port of this machine, for as long as the block runs."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            agent.connections += 1
            agent.connected.release()
            with suppress(ConnectionError):
                while call := self._read():
                    agent.calls.append(call)
                    agent.arrived.release()
                    agent.behaviour(call)
                    if not call.whole:
                        return

        def _read(self) -> Call | None:
            line = self.rfile.readline().decode("latin-1").strip()
            if not line:
                return None
            headers = []
            while raw := self.rfile.readline().strip():
                name, _, value = raw.decode("utf-8").partition(":")
                headers.append((name, value.strip()))
            body, whole = self._body({name.lower(): value for name, value in headers})
            return Call(line, headers, body, whole, self.connection)

        def _body(self, headers: dict[str, str]) -> tuple[bytes, bool]:
            if "content-length" in headers:
                length = int(headers["content-length"])
                body = self.rfile.read(length)
                return body, len(body) == length
            chunks: list[bytes] = []
            while headers.get("transfer-encoding") == "chunked":
                size = self.rfile.readline().strip()
                if not size:
                    return b"".join(chunks), False
                chunk = self.rfile.read(int(size, 16) + 2)
                if int(size, 16) == 0:
                    break
                chunks.append(chunk[:-2])
            return b"".join(chunks), True

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing of callers that hang up."""

    with Server((host, 0), Handler) as server:
        agent = SmallAgent(f"http://{host}:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield agent
        finally:
            server.shutdown()
            thread.join()
