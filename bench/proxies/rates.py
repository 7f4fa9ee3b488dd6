"""How many requests a second each candidate passes, and what each of them costs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.children import answer, answering, say
from bench.cpu import seconds_of
from bench.proxies import stage
from bench.proxies.candidates import BARE, GATEWAY, HAPROXY, NGINX, UNRECORDED, Candidate, World
from bench.report import Row

DIRECT = "the upstream itself"
_BASELINES = (HAPROXY, NGINX, BARE)


@dataclass(frozen=True)
class Way:
    """One way to the upstream, and the requests that go there."""

    what: str
    port: int
    proxy: int | None
    requests: str


def ways_to(around: World, proxies: Sequence[Candidate]) -> list[Way]:
    """Return the way without a proxy, one through each, and this gateway's with one token."""
    ways = [Way(DIRECT, around.port, None, stage.MANY_TOKENS)]
    for each in proxies:
        ways.append(Way(each.what, each.port, each.process.pid, stage.MANY_TOKENS))
        if each.what == GATEWAY:
            what = f"{GATEWAY}, one token"
            ways.append(Way(what, each.port, each.process.pid, stage.ONE_TOKEN))
    return ways


def measured(asked: Mapping[str, Any], around: World, ways: Sequence[Way]) -> Iterator[Row]:
    """Yield a row for each way: the round in the middle, by requests a second.

    The rounds of one way are apart, so that what else the machine does meets all of them.
    """
    rounds: dict[str, list[Row]] = {way.what: [] for way in ways}
    for turn in range(asked["rounds"]):
        for way in ways:
            say({"progress": f"{way.what}: {asked['rate_seconds']:g} s, round {turn + 1}"})
            rounds[way.what].append(_loaded(way, asked, around))
    for rows in rounds.values():
        yield middle(rows)


def middle(rows: Sequence[Row]) -> Row:
    """Return the row in the middle by requests a second; what was not answered, of all of them."""
    ordered = sorted(rows, key=lambda row: row.per_second)
    return replace(ordered[len(ordered) // 2], refused=sum(row.refused for row in rows))


def _loaded(way: Way, asked: Mapping[str, Any], around: World) -> Row:
    """Return what the load generator saw on one way, and what each program used for a request."""
    programs = json.loads(os.environ["BENCH_PROGRAMS"]) | {"upstream": around.upstream.pid}
    if way.proxy is not None:
        programs = {"proxy": way.proxy, **programs}
    before = {name: seconds_of(pid) for name, pid in programs.items()}
    numbers = [str(way.port), str(asked["rate_seconds"]), str(asked["rate_connections"])]
    command = ["-m", "bench.load", *numbers, str(around.home / way.requests)]
    seen = answer(answering("load", command, os.environ))
    answered = max(1, seen.pop("answers"))
    cpu_ms = {
        name: (seconds_of(programs[name]) - used) * 1000 / answered for name, used in before.items()
    }
    cpu_ms["load"] = seen.pop("cpu_s") * 1000 / answered
    baselines = [] if way.proxy is None else [base for base in _BASELINES if base != way.what]
    if way.what == GATEWAY:
        baselines.append(UNRECORDED)
    return Row(what=way.what, **seen, cpu_ms=cpu_ms, baselines=baselines)
