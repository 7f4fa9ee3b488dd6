"""The SDK on a developer's own machine, with `.agentcore.json` in the working directory."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Any

from tests.fixtures.browsing import browser
from tests.fixtures.world import World
from tests.sdk import people
from tests.sdk.conftest import WEATHER_KEY
from tests.sdk.scripts import documented, run

ALICES = "Board paper, last read"


def test_without_a_file_the_sdk_makes_an_identity_and_keeps_to_it(
    operator: dict[str, str],
    endpoints: dict[str, str],
    control: Any,
    developed: None,
    tmp_path: Path,
) -> None:
    command: list[str | Path] = [sys.executable, Path(__file__).with_name("local.py")]
    kept = tmp_path / ".agentcore.json"

    first = run(command, cwd=tmp_path, env=operator | endpoints)
    made = json.loads(kept.read_text())
    second = run(command, cwd=tmp_path, env=operator | endpoints)

    assert first[-1] == second[-1] == WEATHER_KEY
    assert json.loads(kept.read_text()) == made
    assert control.get_workload_identity(name=made["workload_identity_name"])
    control.delete_workload_identity(name=made["workload_identity_name"])


def test_the_documented_script_asks_the_developer_and_tells_their_calendar(
    laptop: dict[str, str],
    endpoints: dict[str, str],
    world: World,
    tmp_path: Path,
) -> None:
    who = json.loads(documented("json", "workload_identity_name"))
    nobody_yet = {**who, "user_id": secrets.token_hex(8)}
    (tmp_path / ".agentcore.json").write_text(json.dumps(nobody_yet))
    script = tmp_path / "events.py"
    script.write_text(documented("python", "asks me first"))
    told = laptop | endpoints | {"ACME_URL": world.acme_url}
    pages: list[str] = []

    with browser(world.url, follow=True) as developer:
        first = run(
            [sys.executable, script],
            cwd=tmp_path,
            env=told,
            on_link=lambda link: pages.append(people.allow(developer, world, "alice", link).text),
        )
    again = run([sys.executable, script], cwd=tmp_path, env=told)

    assert pages == ["Connected. You can close this tab."]
    assert ALICES in first
    assert ALICES in again
