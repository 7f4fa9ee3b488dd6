"""The JavaScript SDK; what it gets is looked at in scripts of its own language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.browsing import browser
from tests.fixtures.world import World
from tests.sdk import people
from tests.sdk.conftest import ENDPOINTS
from tests.sdk.scripts import JAVASCRIPT, NODE, documented, install, run

Script = Callable[..., list[str]]
ALICES = "Board paper, last read"


@pytest.fixture(scope="module")
def node(world: World, operator: dict[str, str]) -> Script:
    """Run a script of this folder, as an operator does."""
    install()
    variables = dict.fromkeys(ENDPOINTS["botocores"].split(), world.url)

    def node(script: Path, **more: Any) -> list[str]:
        told = operator | variables | more.pop("told")
        return run([NODE, script], cwd=script.parent, env=told, **more)

    return node


@pytest.mark.usefixtures("developed")
@pytest.mark.parametrize("what", ["workloads", "providers", "runtimes", "tokens"])
def test_every_answer_is_what_the_sdk_expects(
    what: str, node: Script, bob: httpx.Client, world: World
) -> None:
    node(JAVASCRIPT / f"{what}.mjs", told={"USER_TOKEN": people.token_of(bob, world)})


def test_an_agents_answer_is_read_while_it_streams(node: Script, world: World) -> None:
    node(JAVASCRIPT / "invoke.mjs", told={"AGENT_ARN": world.agent("greeter")["arn"]})


def test_the_documented_script_asks_the_developer_and_tells_their_calendar(
    node: Script, laptop: dict[str, str], world: World, tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(JAVASCRIPT / "node_modules")
    script = tmp_path / "events.mjs"
    script.write_text(documented("js", "asks me first"))
    pages: list[str] = []

    with browser(world.url, follow=True) as developer:
        printed = node(
            script,
            told=laptop | {"ACME_URL": world.acme_url},
            on_link=lambda link: pages.append(people.allow(developer, world, "alice", link).text),
        )

    assert pages == ["Connected. You can close this tab."]
    assert ALICES in printed
