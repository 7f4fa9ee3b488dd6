"""An agent that boto3 registers at the running site, called by a person, moved on and deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.fixtures.world import World
from tests.sdk import people

ROLE = "arn:aws:iam::000000000000:role/none"
PATIENCE_S = 20
NOBODY_LISTENS = "http://127.0.0.1:9"


def artifact(url: str) -> dict[str, Any]:
    return {"containerConfiguration": {"containerUri": url}}


def within_a_while(holds: Callable[[], bool]) -> None:
    """Return once what the data plane knows is that new: half a second, on a busy machine more."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until


def test_an_endpoint_answers_as_its_version_whatever_is_deployed_later(
    world: World, control: Any, bob: httpx.Client
) -> None:
    idp, greeter = world.facts["idp"], world.remembered("urls")["greeter"]
    rule = {"discoveryUrl": idp["discovery_url"], "allowedClients": [idp["client_id"]]}
    said = {"roleArn": ROLE, "authorizerConfiguration": {"customJWTAuthorizer": rule}}
    made = control.create_agent_runtime(
        agentRuntimeName="sdk_runtime", agentRuntimeArtifact=artifact(greeter), **said
    )
    named = {"agentRuntimeId": made["agentRuntimeId"]}
    token = people.token_of(bob, world)

    def asked(endpoint: str) -> httpx.Response:
        return httpx.post(
            f"{world.url}/runtimes/{quote(made['agentRuntimeArn'], safe='')}/invocations",
            params={"qualifier": endpoint},
            headers={"Authorization": f"Bearer {token}"},
            json={"prompt": "Hello"},
            timeout=30,
        )

    try:
        control.create_agent_runtime_endpoint(**named, name="live", agentRuntimeVersion="1")
        assert [asked(name).status_code for name in ("DEFAULT", "live")] == [200, 200]

        changed = control.update_agent_runtime(
            **named, agentRuntimeArtifact=artifact(NOBODY_LISTENS), **said
        )
        assert changed["agentRuntimeVersion"] == "2"
        within_a_while(lambda: asked("DEFAULT").status_code == 424)
        assert asked("live").status_code == 200

        with pytest.raises(control.exceptions.ConflictException, match="live"):
            control.delete_agent_runtime(**named, agentRuntimeVersion="1")
        control.delete_agent_runtime_endpoint(**named, endpointName="live")
        within_a_while(lambda: asked("live").status_code == 404)
    finally:
        control.delete_agent_runtime(**named)
    with pytest.raises(control.exceptions.ResourceNotFoundException):
        control.get_agent_runtime(**named)
    within_a_while(lambda: asked("DEFAULT").status_code == 404)
