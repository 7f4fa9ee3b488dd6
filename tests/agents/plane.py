"""The data plane of this app as a process of its own under granian, and a client that calls it.

Granian imports `application` from here; a test starts it with `running_plane`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote

import django

from tests.children import ended_with_this
from tests.connections import database_url
from tests.engines import CHECKOUT

Headers = Mapping[str, str] | Iterable[tuple[str, str]]

STARTING_S = 30
SITE_URL = "https://daiko.example"
_TASKS = "/tests/tasks"


@cache
def _rooms() -> tuple[Any, Any, Any]:
    """Return the gateway, web sockets and the wire API, once Django is set up in this process."""
    django.setup()
    from agents.gateway import app as gateway  # noqa: PLC0415
    from agents.gateway import websocket  # noqa: PLC0415
    from agents.keys.verification import authenticate  # noqa: PLC0415
    from agents.wire import (  # noqa: PLC0415 - models can be imported only after the setup
        runtimes,
        tokens,
    )
    from core.wire.app import WireApp  # noqa: PLC0415

    operations = [*tokens.OPERATIONS, *runtimes.OPERATIONS]
    return gateway, websocket, WireApp(operations, authenticate=authenticate)


async def application(scope: Any, receive: Any, send: Any) -> None:
    gateway, websocket, wire = _rooms()
    if scope["type"] == "websocket":
        await websocket.application(scope, receive, send)
        return
    if scope["path"] == _TASKS:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        body = "\n".join(
            sorted(getattr(task.get_coro(), "__qualname__", "?") for task in tasks)
        ).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body, "more_body": False})
        return
    is_gateways = gateway.serves(scope["method"], scope["raw_path"].decode("latin-1"))
    await (gateway.application if is_gateways else wire)(scope, receive, send)


@dataclass
class Reply:
    """An answer, read whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json()["message"])

    @property
    def error(self) -> str:
        return self.headers.get("x-amzn-errortype", "")


@dataclass
class Plane:
    """A running data plane."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(
        self,
        path: str,
        *,
        method: str = "POST",
        headers: Headers = (),
        body: bytes | Iterable[bytes] = b"{}",
        timeout_s: float = 10,
        may_break: bool = False,
    ) -> tuple[HTTPConnection, HTTPResponse]:
        """Return an open answer, and the connection that it comes from.

        Headers go as they are, also one that stands twice. A body that is not bytes goes in chunks;
        with `may_break`, an answer may come before all of it is sent.
        """
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            connection.putheader(name, value)
        if isinstance(body, bytes):
            connection.putheader("Content-Length", str(len(body)))
        else:
            connection.putheader("Transfer-Encoding", "chunked")
        with suppress(*([ConnectionError] if may_break else [])):
            connection.endheaders(body, encode_chunked=not isinstance(body, bytes))
        return connection, connection.getresponse()

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """Yield a connection to write to by hand; it is closed at the end of the block."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as peer:
            yield peer

    def head(self, path: str, headers: Mapping[str, str], *, length: int | None) -> bytes:
        """Return the head of a request whose body has this length, or goes in chunks."""
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", framing]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def ask(self, path: str, **request: Any) -> Reply:
        """Return the whole answer."""
        connection, answer = self.send(path, **request)
        try:
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, headers, answer.read())
        finally:
            connection.close()

    def logged(self) -> str:
        return self.log.read_text()

    def will_log(self, event: str) -> bool:
        """Say whether `event` is logged within ten seconds."""
        pause, until = threading.Event(), time.monotonic() + 10
        while event not in self.logged() and time.monotonic() < until:
            pause.wait(0.02)
        return event in self.logged()


def another_than(arn: str) -> str:
    """Return an ARN like that of an agent, which is of none."""
    return arn[:-1] + ("1" if arn.endswith("0") else "0")


def invocation_path(agent: Any, qualifier: str | None = None) -> str:
    """Return the path as AWS's clients send it: the ARN in one segment."""
    path = f"/runtimes/{quote(agent.arn, safe='')}/invocations"
    return path if qualifier is None else f"{path}?qualifier={quote(qualifier)}"


@contextmanager
def running_plane(
    log: Path, *, at_its_own_url: bool = False, **environment: str
) -> Iterator[Plane]:
    """Run the data plane on the tests' database, for as long as the block runs.

    `at_its_own_url`: what it says of itself leads to itself, and not to `SITE_URL`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    env = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DAIKO_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        "SITE_URL": f"http://127.0.0.1:{port}" if at_its_own_url else SITE_URL,
        "AWS_REGION": "us-east-1",
        "DAIKO_GROUPS_CLAIM": "groups",
        **environment,
    }
    command = [
        *(sys.executable, "-m", "granian", "tests.agents.plane:application"),
        *("--interface", "asginl", "--loop", "uvloop", "--ws", "--no-access-log"),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(
            ended_with_this(*command), cwd=CHECKOUT, env=env, stdout=out, stderr=out
        )
    try:
        _await_listening(port, process, log)
        plane = Plane(port, process, log)
        # The first request waits for the application to be imported, which is no test's to time.
        plane.ask("/", timeout_s=STARTING_S)
        yield plane
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _await_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    pause = threading.Event()
    for _ in range(STARTING_S * 50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        pause.wait(0.02)
    raise AssertionError(f"the data plane does not listen: {log.read_text()}")
