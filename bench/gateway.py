"""Invocations through this gateway, and through other proxies in front of the same upstream."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.children import say
from bench.proxies import first_token, held, rates, stage


def main(asked: dict[str, Any]) -> None:
    """Measure, and say each row and each table."""
    with stage.standing(asked) as around:
        with stage.running(around, asked["candidates"]) as proxies:
            for row in rates.measured(asked, around, rates.ways_to(around, proxies)):
                say({"row": asdict(row)})
            say({"table": asdict(first_token.measured(asked, around, proxies))})
        say({"table": asdict(held.open_streams(asked, around))})
        grown = held.requests(asked, around)
        if grown is not None:
            say({"table": asdict(grown)})
