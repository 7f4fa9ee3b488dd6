"""The agent that docs/agents.md shows does what the page says, copied out of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.demo_agents.processes import ROOT, AgentProcess, identity_headers
from tests.demo_agents.stand_ins import StandIn

PAGE = (ROOT / "docs" / "agents.md").read_text()
BOB = identity_headers("sub-bob") | {
    "WorkloadAccessToken": "wat",
    "OAuth2CallbackUrl": "https://daiko.example/connections/",
}
CONSENT_NEEDED = {
    "authorizationUrl": "https://daiko.example/identities/oauth2/authorize?request_uri=urn%3A1",
    "sessionUri": "urn:1",
    "sessionStatus": "IN_PROGRESS",
}
TODAY = {"events": [{"start": "2026-11-22T08:15:00+00:00", "title": "Dentist"}]}


@pytest.fixture
def agent(
    start_agent: Callable[..., AgentProcess], identity: StandIn, acme: StandIn, tmp_path: Path
) -> AgentProcess:
    code, *_ = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    copied = tmp_path / "calendar_agent.py"
    copied.write_text(code)
    given = {"ACME_URL": acme.url, "AWS_REGION": "us-east-1", "DOCKER_CONTAINER": "1"}
    given |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    for name in set(re.findall(r"\bAWS_ENDPOINT_URL_\w+(?==)", PAGE)):
        given[name] = identity.url
    return start_agent(str(copied), **given)


def test_it_waits_for_the_consent_and_tells_the_day(
    agent: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply(CONSENT_NEEDED)
    identity.reply({"accessToken": "bobs"})
    acme.reply(TODAY)

    answer = agent.ask("Hello?", BOB)

    assert (answer.text, answer.ended_well) == ("- **08:15** Dentist", True)
    asked: Any = acme.requests[-1]
    assert asked.path == "/api/calendar/events"
    assert asked.headers["authorization"] == "Bearer bobs"


def test_it_says_so_when_the_person_denies(
    agent: AgentProcess, identity: StandIn, acme: StandIn
) -> None:
    identity.reply(CONSENT_NEEDED)
    identity.refuse("Calendar was not allowed to use Acme Calendar.")

    answer = agent.ask("Hello?", BOB)

    assert answer.text == "Calendar was not allowed to use Acme Calendar."
    assert answer.ended_well
    assert acme.requests == []
