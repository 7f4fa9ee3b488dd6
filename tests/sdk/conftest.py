"""What AWS's SDKs need of the running demo: keys, providers, and an agent written with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import httpx
import pytest

from tests.demo_agents.processes import environment_of, free_port, running
from tests.fixtures.browsing import browser
from tests.fixtures.world import World
from tests.sdk import people
from tests.sdk.scripts import documented, run

AGENT = Path(__file__).with_name("agent.py")
WEATHER_KEY = "the-key-of-the-weather"
ENDPOINTS = {
    "botocores": "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL",
    "its-own": "BEDROCK_AGENTCORE_DP_ENDPOINT BEDROCK_AGENTCORE_CP_ENDPOINT",
}

Invoke = Callable[[str], Iterator[dict[str, Any]]]


@dataclass(frozen=True)
class Registered:
    """An agent as the admin's pages made it known."""

    arn: str
    port: int
    key: dict[str, str]


@pytest.fixture(scope="package", params=ENDPOINTS)
def endpoints(request: pytest.FixtureRequest, world: World) -> dict[str, str]:
    """Give either pair of variables that tell the SDK where the service is."""
    return dict.fromkeys(ENDPOINTS[request.param].split(), world.url)


@pytest.fixture(scope="package")
def operator(world: World) -> dict[str, str]:
    """Give the environment of an operator, but for where the service is."""
    key = world.facts["operator_key"]
    pair = {"AWS_ACCESS_KEY_ID": key["access_key_id"]}
    pair["AWS_SECRET_ACCESS_KEY"] = key["secret_access_key"]
    return environment_of(free_port(), pair | {"AWS_REGION": world.facts["region"]})


@pytest.fixture(scope="package")
def control(world: World, operator: dict[str, str]) -> Any:
    """Give an operator's client of the control plane."""
    return boto3.client(
        "bedrock-agentcore-control",
        endpoint_url=world.url,
        region_name=operator["AWS_REGION"],
        aws_access_key_id=operator["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=operator["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture(scope="package")
def developed(
    world: World, control: Any, operator: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Make what the scripts ask for, as docs/agents.md has it."""
    script = tmp_path_factory.mktemp("setup") / "setup.py"
    script.write_text(documented("python", "Makes a workload identity"))
    told = dict.fromkeys(ENDPOINTS["botocores"].split(), world.url) | {
        "CALENDAR_DISCOVERY_URL": f"{world.acme_url}/.well-known/oauth-authorization-server",
        "CALENDAR_CLIENT_ID": "daiko",
        "CALENDAR_CLIENT_SECRET": world.remembered("acme_client_secret"),
        "WEATHER_API_KEY": WEATHER_KEY,
    }
    [said] = run([sys.executable, script], cwd=script.parent, env=operator | told)
    world.let_consent_end_at(said.removeprefix("Callback URL: "))
    yield
    control.delete_workload_identity(name="my-laptop")  # and what was granted to it


@pytest.fixture(scope="package")
def bob(world: World) -> Iterator[httpx.Client]:
    """Give bob's browser, signed in at the site."""
    with people.signed_in(world, "bob") as client:
        yield client


@pytest.fixture(scope="package")
def admin(world: World) -> Iterator[httpx.Client]:
    """Give the browser of somebody who may register agents."""
    with people.signed_in(world, "alice") as client:
        yield client


@pytest.fixture(scope="package")
def laptop(operator: dict[str, str], admin: httpx.Client, developed: None) -> dict[str, str]:
    """Give the environment of the scripts on a developer's machine, with a key of their own."""
    return operator | people.agent_key_added(admin, "my-laptop")


@pytest.fixture(scope="package")
def registered(
    world: World, admin: httpx.Client, bob: httpx.Client, developed: None
) -> Iterator[Registered]:
    """Register the agent, which acts for whoever shows a token of the demo's own issuer."""
    port = free_port()
    page, arn = people.agent_added(
        admin,
        "sdk_agent",
        url=f"http://localhost:{port}",
        auth_mode="JWT",
        discovery_url=world.facts["idp"]["discovery_url"],
        allowed_clients=world.facts["idp"]["client_id"],
    )
    yield Registered(arn, port, people.agent_key_added(admin, arn.rpartition("/")[2]))
    people.disconnect_all(bob)
    with people.signed_in(world, "alice") as fresh:  # the other may have signed in long ago
        people.agent_switched_off(fresh, page)


@pytest.fixture(scope="package")
def invoke(
    world: World,
    registered: Registered,
    operator: dict[str, str],
    endpoints: dict[str, str],
    bob: httpx.Client,
) -> Iterator[Invoke]:
    """Let bob ask the running agent for what it is able to; yields the events of its answer."""
    told = {"PORT": str(registered.port), "ACME_URL": world.acme_url, "DOCKER_CONTAINER": "1"}
    bearer = {"Authorization": f"Bearer {people.token_of(bob, world)}"}

    def invoke(able_to: str) -> Iterator[dict[str, Any]]:
        path = f"/runtimes/{quote(registered.arn, safe='')}/invocations"
        with (
            browser(world.url) as client,
            client.stream("POST", path, json={"do": able_to}, headers=bearer) as answer,
        ):
            assert answer.status_code == 200, answer.read()
            for line in filter(None, answer.iter_lines()):
                yield json.loads(line.removeprefix("data: "))

    with running(str(AGENT), **(operator | registered.key | told | endpoints)):
        yield invoke
