"""What memory a proxy holds: for each open stream, and after many requests."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.request import urlopen

from bench import pinned
from bench.children import Failed, answer, answering, answers, say
from bench.memory import heaviest_mib
from bench.proxies import stage
from bench.proxies.candidates import UNRECORDED, World
from bench.report import Table

COLUMNS = ("what", "open streams", "MiB before", "MiB with them", "KiB each", "all closed after s")
# Each stream is a file at each of its ends, and two in the proxy.
_SPARE_FILES = 500
_CLOSED_S = 12.0  # longer than the pause between two events of a stream
_LOOK_S = 0.05
_KIB = 1024
# Requests are counted from here on: by then a process has what it needs.
_STEPS = (0.1, 0.5, 1.0)
_TURN_S = 2.0


def open_streams(asked: Mapping[str, Any], around: World) -> Table:
    """Return what an open stream takes in each candidate, each started anew.

    What was used and given back before would hide it.
    """
    count = possible(asked["open"])
    if count < asked["open"]:
        say({"note": f"{asked['open']:,} streams need more open files than this machine allows."})
    rows: list[list[str]] = []
    for name in asked["candidates"]:
        with stage.running(around, [name]) as proxies:
            for each in proxies:
                if each.what != UNRECORDED:
                    say({"progress": f"{each.what}: {count:,} open streams"})
                    rows.append([each.what, *_held(each.port, each.process.pid, count, around)])
    return Table("Open streams", COLUMNS, rows)


def possible(count: int) -> int:
    """Return how many streams a proxy may have open here, `count` at the most."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(count, (most - _SPARE_FILES) // 2)


def _held(port: int, proxy: int, count: int, around: World) -> list[str]:
    """Return the columns about one candidate."""
    before = heaviest_mib(proxy)
    core, _ = pinned.cores()
    told = ["hold", str(port), str(count), str(around.home / stage.OPEN)]
    hold = pinned.command(core, sys.executable, "-m", "bench.streams", *told)
    with closing(answers([answering("hold", hold, os.environ)])) as said:
        opened = next(said)["open"]
        with_them = heaviest_mib(proxy)
    closed_s = _all_closed_s(around)
    each_kib = (with_them - before) * _KIB / max(opened, 1)
    closed = f"not in {_CLOSED_S:g}" if closed_s is None else f"{closed_s:.1f}"
    return [f"{opened:,}", f"{before:.0f}", f"{with_them:.0f}", f"{each_kib:.1f}", closed]


def _all_closed_s(around: World) -> float | None:
    """Return after how many seconds the upstream sees no open stream; None: it goes on seeing."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < _CLOSED_S:
        with urlopen(f"http://127.0.0.1:{around.port}/seen", timeout=10) as answered:
            if json.load(answered)["open"] == 0:
                return waited
        time.sleep(_LOOK_S)
    return None


def requests(asked: Mapping[str, Any], around: World) -> Table | None:
    """Return what the gateway holds after ever more requests; None where it is not measured."""
    wanted = [int(asked["requests"] * step) for step in _STEPS]
    rows: list[list[str]] = []
    done = 0
    with stage.running(around, ["gateway"] if "gateway" in asked["candidates"] else []) as proxies:
        until = time.monotonic() + asked["requests_seconds"]
        for each in proxies:
            for mark in wanted:
                say({"progress": f"{each.what}: memory after {mark:,} requests"})
                while done < mark and time.monotonic() < until:
                    done += _passed(each.port, asked, around)
                if done < mark:
                    say({"note": f"{done:,} requests came in {asked['requests_seconds']:g} s."})
                rows.append([f"{done:,}", f"{heaviest_mib(each.process.pid):.1f}"])
                if done < mark:
                    break
    return Table("Memory after requests", ("requests", "resident MiB"), rows) if rows else None


def _passed(port: int, asked: Mapping[str, Any], around: World) -> int:
    """Return how many requests the gateway answered in a short while. Raises Failed."""
    numbers = [str(port), str(_TURN_S), str(asked["rate_connections"])]
    load = ["-m", "bench.load", *numbers, str(around.home / stage.MANY_TOKENS)]
    seen = answer(answering("load", load, os.environ))
    if not seen["answers"]:
        raise Failed("memory after requests: nothing was answered")
    return int(seen["answers"])
