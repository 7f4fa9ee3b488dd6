"""How much later the first event of a stream comes through each candidate than without it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bench import pinned
from bench.children import answer, answering, say
from bench.cpu import seconds_of
from bench.proxies import stage
from bench.proxies.candidates import Candidate, World
from bench.proxies.rates import DIRECT
from bench.report import Table

COLUMNS = (
    *("what", "begun a second", "p50 ms", "p99 ms", "added p50", "added p99"),
    *("proxy CPU ms a stream", "failed"),
)


def measured(asked: Mapping[str, Any], around: World, proxies: Sequence[Candidate]) -> Table:
    """Return the times at as many streams at once, and what each candidate adds to them."""
    seconds, streams = asked["stream_seconds"], asked["streams"]
    seen: dict[str, dict[str, float]] = {}
    ways = [(DIRECT, around.port, around.upstream.pid)]
    for what, port, pid in [*ways, *((each.what, each.port, each.process.pid) for each in proxies)]:
        say({"progress": f"{what}: {streams} streams, {seconds:g} s"})
        core, _ = pinned.cores()
        told = ["first", str(port), str(seconds), str(streams), str(around.home / stage.STREAMS)]
        load = pinned.command(core, sys.executable, "-m", "bench.streams", *told)
        before = seconds_of(pid)
        seen[what] = answer(answering("streams", load, os.environ))
        begun = max(seen[what].pop("begun"), 1)
        seen[what]["cpu_ms"] = (seconds_of(pid) - before) * 1000 / begun
    return table(seen, streams=streams)


def table(seen: Mapping[str, Mapping[str, float]], *, streams: int) -> Table:
    """Return what was seen beside what is added to the way without a proxy."""
    direct = seen[DIRECT]
    rows = [
        [
            what,
            f"{of['per_second']:.0f}",
            *(f"{of[name]:.1f}" for name in ("p50_ms", "p99_ms")),
            *(
                "" if of is direct else f"{of[name] - direct[name]:.1f}"
                for name in ("p50_ms", "p99_ms")
            ),
            "" if of is direct else f"{of['cpu_ms']:.2f}",
            f"{of['refused']:.0f}",
        ]
        for what, of in seen.items()
    ]
    return Table(f"First token, {streams} streams at once", COLUMNS, rows)
