"""`python -m demo.ask planner "When am I free tomorrow?"`: asks an agent of the running demo.

It says `Open <link>` where a person is needed: to sign in, and to allow an agent something. With
`token` in place of an agent it prints an access token, for clients of one's own.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
from a2a.client import A2AClientError
from mcp import MCPError

from demo.ask.clients import by_a2a, by_agui, by_mcp
from demo.ask.signin import access_token

HOME = Path(__file__).resolve().parents[2] / "var"
QUESTION = "When am I free tomorrow?"
SPEAKS: dict[str, Callable[[str, str, str], AsyncIterator[str]]] = {
    "MCP": by_mcp,
    "A2A": by_a2a,
    "AGUI": by_agui,
}


def main() -> int:
    """Ask, print the answer as it comes, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo.ask", description=__doc__)
    parser.add_argument("agent", help="planner, scheduler or calendar_tools; or token")
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--home", type=Path, default=HOME, help="where the demo keeps its data")
    given = parser.parse_args()
    try:
        facts = json.loads((given.home / "demo.json").read_text())
    except FileNotFoundError:
        parser.error("the demo does not run; start it with `make demo`")
    agents = {agent["name"]: agent for agent in facts["agents"] if agent["protocol"] in SPEAKS}
    if given.agent not in {*agents, "token"}:
        parser.error(f"{given.agent} is not one of {', '.join(agents)}")
    # TOKEN: signed in already.
    token = os.environ.get("TOKEN") or access_token(facts["idp"], say=_aside)
    if given.agent == "token":
        sys.stdout.write(f"{token}\n")
        return 0
    agent = agents[given.agent]
    answer = SPEAKS[agent["protocol"]](agent["url"], token, given.question)
    try:
        asyncio.run(_print(answer))
    except (httpx.HTTPError, A2AClientError, MCPError, BaseExceptionGroup) as exc:
        _aside(_reason(exc))
        return 1
    return 0


async def _print(answer: AsyncIterator[str]) -> None:
    async for text in answer:
        sys.stdout.write(text)
        sys.stdout.flush()


def _reason(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return str(exc).partition("\n")[0]


def _aside(text: str) -> None:
    """Tell the person what is no part of the answer."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
