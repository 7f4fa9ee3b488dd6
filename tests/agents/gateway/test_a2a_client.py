"""The official A2A client at an agent of the official SDK, through the gateway, as a person."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from a2a.client import A2ACardResolver, ClientConfig, create_client
from a2a.helpers import get_artifact_text, new_text_message
from a2a.types import AgentCard, Role, SendMessageRequest

from agents.models import Agent
from tests.agents.conftest import make_agent
from tests.agents.gateway.test_streaming import waiting_for_end
from tests.agents.plane import Plane, invocation_path
from tests.demo_agents.processes import AgentProcess, environment_of, free_port, running
from tests.fixtures.issuer import Issuer
from tests.sdk import scripts
from tests.sdk.scripts import documented

SPEAKER = Path(__file__).parents[1] / "speaking" / "a2a_agent.py"


@pytest.fixture(scope="module")
def speaker() -> Iterator[AgentProcess]:
    with running(str(SPEAKER)) as started:
        yield started


async def talk(url: str, token: str, *, streaming: bool) -> tuple[AgentCard, list[str]]:
    """Return the card that the client found, and what it heard of the answer."""
    heard = []
    bearer = {"Authorization": f"Bearer {token}"}
    async with asyncio.timeout(20), httpx.AsyncClient(headers=bearer) as http:
        card = await A2ACardResolver(http, url).get_agent_card()
        client = await create_client(card, ClientConfig(streaming=streaming, httpx_client=http))
        request = SendMessageRequest(message=new_text_message("Hello", role=Role.ROLE_USER))
        async for event in client.send_message(request):
            if event.HasField("artifact_update"):
                heard.append(get_artifact_text(event.artifact_update.artifact))
            elif event.HasField("task"):
                heard += [get_artifact_text(each) for each in event.task.artifacts]
    return card, heard


@pytest.mark.parametrize("streaming", [True, False])
def test_the_client_finds_the_card_and_hears_the_answer(
    site: Plane, agent: Agent, issuer: Issuer, speaker: AgentProcess, streaming: bool
) -> None:
    echo = make_agent(f"{agent.name}_a2a", issuer, url=speaker.url, protocol="A2A", everyone=True)
    url = site.url + invocation_path(echo)

    card, heard = asyncio.run(talk(url, issuer.token(sub="alice"), streaming=streaming))

    assert [interface.url for interface in card.supported_interfaces] == [url]
    assert " ".join(heard).split() == ["I", "act", "for", "alice"]
    assert (len(heard) > 1) is streaming
    assert {event[:2] for event in waiting_for_end(echo)} == {
        ("agent.invocation", "allowed"),
        ("agent.invocation.ended", "allowed"),
    }


def test_the_documented_client_runs(
    site: Plane, agent: Agent, issuer: Issuer, speaker: AgentProcess, tmp_path: Path
) -> None:
    echo = make_agent(f"{agent.name}_doc", issuer, url=speaker.url, protocol="A2A", everyone=True)
    script = tmp_path / "client.py"
    script.write_text(documented("python", "Asks an A2A agent"))
    told = {"AGENT_URL": site.url + invocation_path(echo), "TOKEN": issuer.token(sub="alice")}

    printed = scripts.run(
        [sys.executable, script], cwd=tmp_path, env=environment_of(free_port(), told)
    )

    assert printed == ["I", "act", "for", "alice"]
