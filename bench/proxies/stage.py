"""Where the candidates stand: one upstream, people with tokens, and requests that are written down.

Load, upstream, PostgreSQL and Redis share one core. The proxy that is measured has the other one to
itself, the same for all of them.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench import pinned, world
from bench.children import Failed, child, free_port, say
from bench.cpu import below
from bench.proxies import debian
from bench.proxies.candidates import ALL, GATEWAY, UNRECORDED, Candidate, World
from bench.proxies.tokens import AUDIENCE, CLIENT, new_key
from bench.proxies.upstream import issuer_at
from core.models import AuditEvent
from embedded.process import Child, StartFailed, start_all, stop_all

# Requests, each a file: of many tokens and of one, and such as ask for a stream.
MANY_TOKENS, ONE_TOKEN, STREAMS, OPEN = "many.json", "one.json", "streams.json", "open.json"
_PROMPT = {"prompt": "What is the weather in Tokyo?", "session": "bench"}
# A stream of two seconds; and one that stays, with an event now and then.
_SHORT = {"every_s": 0.1, "ticks": 20}
_LONG = {"every_s": 10}
_SESSIONS = 256
_WAKES_S = 30.0


@contextmanager
def started(*processes: Child) -> Iterator[None]:
    """Run processes for as long as the block runs. Raises StartFailed."""
    try:
        start_all(processes)
        yield
    finally:
        stop_all(processes)


@contextmanager
def standing(asked: Mapping[str, Any]) -> Iterator[World]:
    """Run the upstream of an agent that people may call, and write down how they call it."""
    home, port, key = Path(os.environ["BENCH_HOME"]), free_port(), new_key()
    issuer = issuer_at(port)
    (home / "keys.json").write_text(key.published(), encoding="utf-8")
    (home / "key.pem").write_bytes(key.pem())
    people = [f"person-{number:05}" for number in range(asked["people"])]
    say({"progress": f"signing {asked['tokens']:,} tokens of {len(people):,} people"})
    tokens = key.tokens(issuer, people, count=asked["tokens"])
    agent = world.called_agent("bench", url=issuer, issuer=issuer, audience=AUDIENCE, client=CLIENT)
    world.people(issuer, people)
    path = f"/runtimes/{quote(agent.arn, safe='')}/invocations"
    _write_requests(home, path, tokens)
    core, _ = pinned.cores()
    os.sched_setaffinity(0, {core})
    for program in json.loads(os.environ["BENCH_PROGRAMS"]).values():
        pinned.pin_all(below(program), core)
    serve = [sys.executable, "-m", "bench.proxies.upstream", str(port), str(home / "keys.json")]
    upstream = child("upstream", pinned.command(core, *serve), os.environ, port=port)
    with started(upstream):
        yield World(home, port, upstream, issuer, home / "key.pem", os.environ)


def _write_requests(home: Path, path: str, tokens: Sequence[str]) -> None:
    """Write down calls, each in a session of its own, as conversations are."""

    def write(name: str, tokens: Sequence[str], **more: object) -> None:
        requests = [
            _request(path, token, f"{name}-session-{number:032}", more)
            for number, token in enumerate(tokens)
        ]
        (home / name).write_text(json.dumps(requests), encoding="utf-8")

    write(MANY_TOKENS, tokens)
    write(ONE_TOKEN, [tokens[0]] * _SESSIONS)
    write(STREAMS, tokens, **_SHORT)
    write(OPEN, tokens, **_LONG)


def _request(path: str, token: str, session: str, more: Mapping[str, object]) -> str:
    body = json.dumps({**_PROMPT, **more})
    accept = "text/event-stream" if more else "application/json"
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: {session}\r\n"
        f"Content-Type: application/json\r\nAccept: {accept}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )


@contextmanager
def running(around: World, names: Sequence[str]) -> Iterator[list[Candidate]]:
    """Run the candidates of these names that this machine has; says why the others are absent."""
    present: list[Candidate] = []
    try:
        for name in names:
            try:
                made = ALL[name](around)
                start_all([made.process])
            except (debian.Absent, StartFailed) as exc:
                say({"note": f"Without {name}: {exc}"})
                continue
            present.append(made)
            try:
                wake(made.what, made.port, around.home / MANY_TOKENS)
            except Failed as exc:
                say({"note": f"Without {name}: {exc}"})
                present.remove(made)
                made.process.stop()
        yield present
    finally:
        stop_all([each.process for each in present])


def wake(what: str, port: int, requests: Path) -> None:
    """Return once a first request was answered with 200: some servers import at their first one.

    Raises:
        Failed: it was answered otherwise, or not at all; or it is on record and must not be, or
            the other way round.
    """
    request = json.loads(requests.read_text(encoding="utf-8"))[0].encode()
    before = _recorded()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_WAKES_S) as connection:
            connection.sendall(request)
            said = connection.recv(4096)
    except OSError as exc:
        raise Failed(f"{what}: there is no first answer ({type(exc).__name__})") from None
    if not said.startswith(b"HTTP/1.1 200 "):
        raise Failed(f"{what}: its first answer is {said[:300]!r}")
    recorded = _recorded() - before
    if bool(recorded) is not (what == GATEWAY) and what in {GATEWAY, UNRECORDED}:
        raise Failed(f"{what}: a call put {recorded} events on record")


def _recorded() -> int:
    return AuditEvent.objects.filter(action__startswith="agent.invocation").count()
