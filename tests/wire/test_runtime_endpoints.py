"""Endpoints of agents over the wire API: pinned to a version, but for the one that follows."""

from __future__ import annotations

from typing import Any

import pytest

from agents.errors import DefaultEndpoint, EndpointUnknown, NameTaken, VersionUnknown
from agents.models import AgentEndpoint
from agents.policies import stored
from core.errors import InvalidRequest
from core.models import AuditEvent
from tests.vault.conftest import ADMIN
from tests.wire.asking import ask, field_of, refused
from tests.wire.test_runtimes import URL, at, changed_to, created

pytestmark = pytest.mark.django_db

TOKEN = "b" * 33


@pytest.fixture
def runtime() -> dict[str, Any]:
    """An agent with two versions."""
    made = created()
    ask("UpdateAgentRuntime", **changed_to(made, agentRuntimeArtifact=at(URL + "/v2")))
    return made


def of(runtime: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"agentRuntimeId": runtime["agentRuntimeId"], **more}


def told(runtime: dict[str, Any], name: str = "live") -> dict[str, Any]:
    return ask("GetAgentRuntimeEndpoint", **of(runtime, endpointName=name))


def test_an_endpoint_stays_at_its_version_and_the_default_one_follows(
    runtime: dict[str, Any],
) -> None:
    pinned = of(runtime, name="live", agentRuntimeVersion="1", description="What people use.")
    made = ask("CreateAgentRuntimeEndpoint", **pinned)
    assert (made["targetVersion"], made["status"]) == ("1", "READY")
    # Without a version, it is pinned to what is the newest now.
    assert ask("CreateAgentRuntimeEndpoint", **of(runtime, name="beta"))["targetVersion"] == "2"

    ask("UpdateAgentRuntime", **changed_to(runtime, agentRuntimeArtifact=at(URL + "/v3")))

    assert told(runtime)["liveVersion"] == "1"
    assert told(runtime)["description"] == "What people use."
    assert told(runtime, "beta")["liveVersion"] == "2"
    default = told(runtime, "DEFAULT")
    assert (default["liveVersion"], default["targetVersion"]) == ("3", "3")
    assert default["lastUpdatedAt"] > default["createdAt"]


def test_an_endpoint_is_moved_and_described_anew_and_keeps_what_is_not_given(
    runtime: dict[str, Any],
) -> None:
    ask("CreateAgentRuntimeEndpoint", **of(runtime, name="live", agentRuntimeVersion="1"))
    named = of(runtime, endpointName="live")

    moved = ask("UpdateAgentRuntimeEndpoint", **named, agentRuntimeVersion="2")
    assert moved["liveVersion"] == "2"
    ask("UpdateAgentRuntimeEndpoint", **named, description="What people use.")
    ask("UpdateAgentRuntimeEndpoint", **named)

    found = told(runtime)
    assert (found["liveVersion"], found["description"]) == ("2", "What people use.")
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    assert actions[-3:] == ["admin.endpoint.created", *["admin.endpoint.changed"] * 2]


def test_the_default_endpoint_is_described_and_neither_pinned_nor_deleted(
    runtime: dict[str, Any],
) -> None:
    named = of(runtime, endpointName="DEFAULT")
    ask("UpdateAgentRuntimeEndpoint", **named, description="The newest.")
    assert told(runtime, "DEFAULT")["description"] == "The newest."

    pinned = refused(
        DefaultEndpoint, "UpdateAgentRuntimeEndpoint", **named, agentRuntimeVersion="1"
    )
    assert "update the agent with the values of the version before" in str(pinned.message)
    assert refused(DefaultEndpoint, "DeleteAgentRuntimeEndpoint", **named).status == 409
    assert told(runtime, "DEFAULT")["liveVersion"] == "2"


def test_a_name_is_given_once_for_each_agent(runtime: dict[str, Any]) -> None:
    ask("CreateAgentRuntimeEndpoint", **of(runtime, name="live"))

    refused(NameTaken, "CreateAgentRuntimeEndpoint", **of(runtime, name="live"))
    refused(NameTaken, "CreateAgentRuntimeEndpoint", **of(runtime, name="DEFAULT"))
    other = created(agentRuntimeName="other")
    ask("CreateAgentRuntimeEndpoint", **of(other, name="live"))


def test_only_versions_of_the_agent_itself_are_served(runtime: dict[str, Any]) -> None:
    asked = of(runtime, name="live", agentRuntimeVersion="3")
    refused(VersionUnknown, "CreateAgentRuntimeEndpoint", **asked)
    assert not AgentEndpoint.objects.filter(name="live").exists()

    ask("CreateAgentRuntimeEndpoint", **of(runtime, name="live"))
    asked = of(runtime, endpointName="live", agentRuntimeVersion="3")
    refused(VersionUnknown, "UpdateAgentRuntimeEndpoint", **asked)
    assert told(runtime)["liveVersion"] == "2"


def test_an_endpoint_goes_with_its_tags_and_its_policy(runtime: dict[str, Any]) -> None:
    made = ask("CreateAgentRuntimeEndpoint", **of(runtime, name="live", tags={"team": "a"}))
    arn = made["agentRuntimeEndpointArn"]
    assert ask("ListTagsForResource", resourceArn=arn) == {"tags": {"team": "a"}}
    policy = (
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", '
        '"Action": "bedrock-agentcore:InvokeAgentRuntime", "Resource": "*"}}'
    )
    stored.policy_put(resource_arn=arn, text=policy, actor=ADMIN)

    ask("DeleteAgentRuntimeEndpoint", **of(runtime, endpointName="live"))

    refused(EndpointUnknown, "GetAgentRuntimeEndpoint", **of(runtime, endpointName="live"))
    ask("CreateAgentRuntimeEndpoint", **of(runtime, name="live"))
    assert ask("ListTagsForResource", resourceArn=arn) == {"tags": {}}
    assert stored.policy_of(arn) is None


def test_a_tag_that_cannot_be_makes_no_endpoint(runtime: dict[str, Any]) -> None:
    asked = of(runtime, name="live", tags={"aws:team": "a"})

    assert field_of(refused(InvalidRequest, "CreateAgentRuntimeEndpoint", **asked)) == "tags"
    assert not AgentEndpoint.objects.filter(name="live").exists()


def test_the_same_call_with_the_same_token_is_done_once(runtime: dict[str, Any]) -> None:
    asked = of(runtime, name="live", clientToken=TOKEN)
    assert ask("CreateAgentRuntimeEndpoint", **asked) == ask("CreateAgentRuntimeEndpoint", **asked)
    gone = of(runtime, endpointName="live", clientToken=TOKEN)
    assert ask("DeleteAgentRuntimeEndpoint", **gone) == ask("DeleteAgentRuntimeEndpoint", **gone)

    # Who is told that it is there could call it.
    ask("CreateAgentRuntimeEndpoint", **asked)
    assert AgentEndpoint.objects.filter(name="live").exists()


def test_endpoints_are_listed_by_name_a_page_at_a_time(runtime: dict[str, Any]) -> None:
    for name in ("live", "beta"):
        ask("CreateAgentRuntimeEndpoint", **of(runtime, name=name))
    other = created(agentRuntimeName="other")

    first = ask("ListAgentRuntimeEndpoints", **of(runtime, maxResults=2))
    rest = ask("ListAgentRuntimeEndpoints", **of(runtime, nextToken=first["nextToken"]))

    assert [row["name"] for row in first["runtimeEndpoints"]] == ["DEFAULT", "beta"]
    assert [row["name"] for row in rest["runtimeEndpoints"]] == ["live"]
    assert len(ask("ListAgentRuntimeEndpoints", **of(other))["runtimeEndpoints"]) == 1
    taken = of(other, nextToken=first["nextToken"])
    assert field_of(refused(InvalidRequest, "ListAgentRuntimeEndpoints", **taken)) == "nextToken"
