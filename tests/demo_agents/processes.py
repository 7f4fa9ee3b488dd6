"""The example agents as real processes, spoken to as Daiko's gateway speaks to them."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3

ROOT = Path(__file__).resolve().parents[2]
# A start takes a second or two; a busy machine may need many more.
_STARTING = urllib3.Retry(total=200, connect=200, backoff_factor=0.05, backoff_max=0.2)
_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-"


@dataclass
class Answer:
    """The events of one streamed answer."""

    events: list[dict[str, Any]]

    @property
    def deltas(self) -> list[str]:
        return [
            event["event"]["contentBlockDelta"]["delta"]["text"]
            for event in self.events
            if "text" in event.get("event", {}).get("contentBlockDelta", {}).get("delta", {})
        ]

    @property
    def text(self) -> str:
        return "".join(self.deltas)

    @property
    def tools_called(self) -> list[str]:
        return [
            event["event"]["contentBlockStart"]["start"]["toolUse"]["name"]
            for event in self.events
            if "toolUse" in event.get("event", {}).get("contentBlockStart", {}).get("start", {})
        ]

    @property
    def tool_states(self) -> list[str]:
        return [
            block["toolResult"]["status"]
            for event in self.events
            for block in event.get("message", {}).get("content", [])
        ]

    @property
    def ended_well(self) -> bool:
        return {"event": {"messageStop": {"stopReason": "end_turn"}}} in self.events


@dataclass
class AgentProcess:
    """An agent that runs in a process of its own, spoken to as Daiko's gateway does."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path
    http: urllib3.PoolManager

    def ping(self) -> Any:
        return self.http.request("GET", f"{self.url}/ping", retries=_STARTING).json()

    def post(self, payload: Any, headers: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        return self.http.request(
            "POST",
            f"{self.url}/invocations",
            json=payload,
            headers=headers,
            preload_content=False,
            timeout=30,
            retries=False,
        )

    def ask(self, prompt: str, headers: dict[str, str] | None = None) -> Answer:
        return self.answer({"prompt": prompt}, headers)

    def answer(self, payload: Any, headers: dict[str, str] | None = None) -> Answer:
        response = self.post(payload, headers)
        try:
            assert response.headers["Content-Type"].startswith("text/event-stream")
            return Answer(list(events_of(response)))
        finally:
            response.release_conn()

    @property
    def log(self) -> str:
        return self.log_path.read_text()


def events_of(response: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
    """Yield the events of a `text/event-stream` as they come."""
    buffer = b""
    for chunk in response.stream(1 << 16):
        buffer += chunk
        *lines, buffer = buffer.split(b"\n\n")
        for line in lines:
            yield json.loads(line.removeprefix(b"data: "))


def identity_headers(
    user_id: str, *, name: str = "", groups: tuple[str, ...] = (), session: str = "s" * 33
) -> dict[str, str]:
    """Return the headers with which Daiko tells an agent who is calling."""
    return {
        f"{_HEADER}Session-Id": session,
        f"{_HEADER}Custom-User-Id": quote(user_id, safe=""),
        f"{_HEADER}Custom-User-Name": quote(name, safe=""),
        f"{_HEADER}Custom-User-Groups": ",".join(quote(group, safe="") for group in groups),
    }


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command_of(module: str) -> list[str]:
    """Return the command that starts an agent of the demo, or the one in a file."""
    if module.endswith(".py"):
        return [sys.executable, module]
    return [sys.executable, "-m", f"demo.agents.{module}"]


def environment_of(port: int, given: dict[str, str]) -> dict[str, str]:
    """Return an agent's whole environment: nothing of this machine's AWS configuration."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return inherited | nowhere | {"PORT": str(port), "DEMO_WORD_DELAY_S": "0"} | given


@contextmanager
def running(module: str, **environment: str) -> Iterator[AgentProcess]:
    """Start an agent, at PORT or a free port, wait until it is healthy, and end it in the end."""
    port = int(environment.get("PORT", 0)) or free_port()
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".log"))
        http = stack.enter_context(urllib3.PoolManager())
        process = stack.enter_context(
            subprocess.Popen(
                command_of(module),
                cwd=ROOT,
                env=environment_of(port, environment),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        )
        stack.callback(process.terminate)
        agent = AgentProcess(f"http://127.0.0.1:{port}", process, Path(log.name), http)
        agent.ping()
        yield agent
