"""Two gateways of others, from PyPI, in front of the same upstream and with their own sign-in on.

Each has a virtual environment of its own below `var/`; what cannot be installed or does not start
is told of, with the reason. They are measured as they come, with one process each.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench import pinned
from bench.children import CHECKOUT, Failed, child, free_port, say
from bench.proxies import rates, stage
from bench.proxies.candidates import World
from embedded.process import INHERITED, Child, StartFailed

_HOME = CHECKOUT / "var" / "bench-peers"
_INSTALL_S, _START_S, _ASK_S = 600, 120, 30
_BODY = json.dumps({"prompt": "What is the weather in Tokyo?"})
_PASSED = {"type": "object", "properties": {"prompt": {"type": "string"}}}


@dataclass(frozen=True)
class Running:
    """A peer that is started or can be, and how it is asked to pass a request on."""

    process: Child
    port: int
    request: Callable[[], str]


@dataclass(frozen=True)
class Peer:
    """One package, and how it is set up, given its programs' folder."""

    name: str
    package: str
    set_up: Callable[[Path, World], Running]


def main(asked: dict[str, Any]) -> None:
    """Measure, and say each row: this gateway's, too, by which the others are read."""
    with stage.standing(asked) as around, ExitStack() as held:
        proxies = held.enter_context(stage.running(around, ["bare", "gateway"]))
        ways = rates.ways_to(around, proxies)
        for peer in PEERS:
            try:
                ways.append(_way(peer, around, held))
            except (Failed, StartFailed, OSError, ValueError, subprocess.SubprocessError) as exc:
                say({"note": f"Without {peer.name}: {exc}"})
        for row in rates.measured(asked, around, ways):
            say({"row": asdict(row)})


def _way(peer: Peer, around: World, held: ExitStack) -> rates.Way:
    """Install and start a peer, and return the way through it once it has passed a request."""
    programs = _installed(peer)
    running = peer.set_up(programs, around)
    say({"progress": f"{peer.name}: starting"})
    held.enter_context(stage.started(running.process))
    requests = f"{peer.name}.json"
    (around.home / requests).write_text(json.dumps([running.request()]), encoding="utf-8")
    stage.wake(peer.name, running.port, around.home / requests)
    return rates.Way(
        f"{peer.name} {_version(peer, programs)}", running.port, running.process.pid, requests
    )


def _installed(peer: Peer) -> Path:
    """Return the folder of a peer's programs; installs it at the first use."""
    home = _HOME / peer.name
    programs = home / "bin"
    if not (home / "installed").exists():
        say({"progress": f"{peer.name}: installing {peer.package}, some minutes"})
        _run([sys.executable, "-m", "venv", "--clear", str(home)])
        _run([str(programs / "python"), "-m", "pip", "install", "--quiet", peer.package])
        (home / "installed").touch()
    return programs


def _version(peer: Peer, programs: Path) -> str:
    name = peer.package.partition("[")[0]
    code = f"from importlib.metadata import version; print(version({name!r}))"
    return _run([str(programs / "python"), "-c", code]).strip()


def _run(command: list[str], env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=_INSTALL_S,
        env={name: os.environ[name] for name in INHERITED if name in os.environ} | dict(env or {}),
    )  # fmt: skip
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300])
    return done.stdout


def _process(name: str, argv: list[str], port: int, env: Mapping[str, str]) -> Child:
    _, core = pinned.cores()
    # The site's own variables are none of theirs: both would take its database for theirs.
    needed = {name: os.environ[name] for name in ("BENCH_HOME", "BENCH_LIFELINE")}
    made = child(name, pinned.command(core, *argv), {**needed, **env}, port=port)
    made.start_timeout_s = _START_S
    return made


def _litellm(programs: Path, around: World) -> Running:
    """Return LiteLLM's proxy with a pass-through endpoint that asks for the master key."""
    port, key = free_port(), f"sk-{secrets.token_urlsafe(24)}"
    target = f"http://127.0.0.1:{around.port}/invocations"
    passed = {"path": "/agent", "target": target, "auth": True}
    settings = {"master_key": key, "pass_through_endpoints": [passed]}
    config = around.home / "litellm.yaml"  # JSON is YAML
    config.write_text(json.dumps({"general_settings": settings}), encoding="utf-8")
    argv = [str(programs / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    process = _process("litellm", [*argv, "--port", str(port), "--num_workers", "1"], port, quiet)
    return Running(process, port, lambda: _request("/agent", key, _BODY))


def _contextforge(programs: Path, around: World) -> Running:
    """Return ContextForge with the upstream as a REST tool, called as MCP clients call it."""
    port, password = free_port(), f"{secrets.token_urlsafe(18)}-aA1!"
    mail = "admin@example.com"
    env = {
        "DATABASE_URL": f"sqlite:///{around.home / 'contextforge.db'}",
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "AUTH_ENCRYPTION_SECRET": secrets.token_urlsafe(48),
        **{"BASIC_AUTH_PASSWORD": password, "DEFAULT_USER_PASSWORD": password},
        **{"PLATFORM_ADMIN_EMAIL": mail, "PLATFORM_ADMIN_PASSWORD": password},
        **{"MCPGATEWAY_UI_ENABLED": "false", "LOG_LEVEL": "ERROR"},
        **{"SSRF_ALLOW_LOCALHOST": "true", "SSRF_ALLOW_PRIVATE_NETWORKS": "true"},
    }
    argv = [str(programs / "mcpgateway"), "--host", "127.0.0.1", "--port", str(port)]

    def registered() -> str:
        make = ["-m", "mcpgateway.utils.create_jwt_token", "--username", mail, "--admin"]
        make += ["--exp", "600", "--secret", env["JWT_SECRET_KEY"]]
        token = _run([str(programs / "python"), *make], env).strip().splitlines()[-1]
        tool = {
            **{"name": "agent", "url": f"http://127.0.0.1:{around.port}/invocations"},
            **{"integration_type": "REST", "request_type": "POST", "input_schema": _PASSED},
        }
        asked = Request(
            f"http://127.0.0.1:{port}/tools",
            json.dumps({"tool": tool}).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urlopen(asked, timeout=_ASK_S) as answered:  # noqa: S310  (an address of ours)
            name = json.load(answered)["name"]
        params = {"name": name, "arguments": json.loads(_BODY)}
        called = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return _request("/rpc", token, json.dumps(called))

    process = _process("contextforge", [*argv, "--workers", "1"], port, env)
    return Running(process, port, registered)


def _request(path: str, token: str, body: str) -> str:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nAccept: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )


PEERS = (
    Peer("LiteLLM", "litellm[proxy]", _litellm),
    Peer("ContextForge", "mcp-contextforge-gateway", _contextforge),
)
