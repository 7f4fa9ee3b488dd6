"""The processes of the bench: each dies with the one that started it, and answers in JSON.

What it has to say it prints, a line of JSON each; all else goes to its log. A process that ends
before its time is told of in words: what it printed until then is kept, and never half of a line.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from embedded.process import POLL_S, Child, description, stop_all

CHECKOUT = Path(__file__).resolve().parent.parent


class Failed(Exception):
    """A process did not do its part. Says which, how it ended, and the last lines of its log."""


def child(name: str, argv: Sequence[str], env: Mapping[str, str], *, port: int = 0) -> Child:
    """Return a Python process, not started, that is ready when it listens at `port`."""
    home = Path(env["BENCH_HOME"])
    return Child(
        name=name,
        argv=[sys.executable, *argv],
        env=env,
        log=home / "log" / f"{name}.log",
        is_ready=lambda: listens(port),
        lifeline=int(env["BENCH_LIFELINE"]),
        cwd=CHECKOUT,
    )


def answering(name: str, argv: Sequence[str], env: Mapping[str, str]) -> Child:
    """Return a Python process, not started, that says things and ends by itself."""
    made = child(name, argv, env)
    made.errand = True
    made.output = Path(env["BENCH_HOME"]) / f"{name}.jsonl"
    made.die_with = signal.SIGKILL
    return made


def answers(children: Sequence[Child]) -> Generator[Any]:
    """Start processes at once and yield what they say, as it comes, until all have ended.

    Close it (`contextlib.closing`) where it is left early: that stops them.

    Raises:
        Failed: one of them ended otherwise than well, after what it had said. All are stopped.
    """
    heard = dict.fromkeys((each.name for each in children), 0)
    running = list(children)
    try:
        for each in children:
            each.start()
        while running:
            time.sleep(POLL_S)
            # Asked before reading: of one that has ended, everything is read.
            ended = [each for each in running if not each.is_running()]
            for each in running:
                for said in _said(each)[heard[each.name] :]:
                    heard[each.name] += 1
                    yield said
            for each in ended:
                if not each.succeeded():
                    raise failed(each)
                running.remove(each)
    finally:
        stop_all(children)


def answer(process: Child) -> Any:
    """Run a process that says one thing, and return that. Raises Failed."""
    said = list(answers([process]))
    if len(said) != 1:
        raise Failed(f"{process.name}: it ended and said {len(said)} things instead of one")
    return said[0]


def failed(process: Child) -> Failed:
    """Return the error that tells how a process ended."""
    headline = f"{process.name}: {process.ended()}"
    return Failed(description(headline, log=None, last=process.last_lines()))


def say(thing: object) -> None:
    """Tell the process that started this one."""
    sys.stdout.write(json.dumps(thing) + "\n")
    sys.stdout.flush()


def free_port() -> int:
    """Return a port of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listens(port: int) -> bool:
    """Say whether somebody listens at `port` of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _said(process: Child) -> list[Any]:
    """Return what a process has said so far. Half a line, where it was killed, is not read."""
    if process.output is None:
        return []
    whole, _, _ = process.output.read_text(encoding="utf-8").rpartition("\n")
    try:
        return [json.loads(line) for line in whole.splitlines()]
    except json.JSONDecodeError as exc:
        raise Failed(f"{process.name}: it said what is no JSON: {exc.doc[:200]!r}") from None
