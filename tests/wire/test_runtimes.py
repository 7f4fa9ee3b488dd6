"""Agents over the wire API: what is taken, kept and told, and what is refused and how."""

from __future__ import annotations

from typing import Any

import pytest

from agents import services
from agents.errors import AgentInUse, AgentUnknown, NameTaken, VersionInUse, VersionUnknown
from agents.keys.access_keys import access_key_create
from agents.keys.callers import Caller
from agents.keys.operations import FOR_AGENTS, FOR_OPERATORS
from agents.models import Agent, AnsweredCall, WorkloadIdentity
from core.errors import Conflict, Forbidden, InvalidRequest
from core.models import AuditEvent, User
from portal.models import Conversation
from portal.wire import OPERATIONS
from tests.vault.conftest import ADMIN
from tests.wire.asking import ask, field_of, refused

pytestmark = pytest.mark.django_db

ROLE = "arn:aws:iam::000000000000:role/agents"
URL = "https://agents.example/concierge"
DISCOVERY = "https://idp.example/.well-known/openid-configuration"
URI = "agentRuntimeArtifact.containerConfiguration.containerUri"
JWT = "authorizerConfiguration.customJWTAuthorizer"
TOKEN = "a" * 33


def at(url: str = URL) -> dict[str, Any]:
    return {"containerConfiguration": {"containerUri": url}}


def authorizer(**changed: Any) -> dict[str, Any]:
    rule = {"discoveryUrl": DISCOVERY, "allowedClients": ["portal"], **changed}
    return {"customJWTAuthorizer": rule}


def asked(**changed: Any) -> dict[str, Any]:
    return {
        "agentRuntimeName": "concierge",
        "agentRuntimeArtifact": at(),
        "roleArn": ROLE,
        "authorizerConfiguration": authorizer(),
        **changed,
    }


def created(**changed: Any) -> dict[str, Any]:
    return ask("CreateAgentRuntime", **asked(**changed))


def changed_to(made: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return the input that updates an agent."""
    said = asked(agentRuntimeId=made["agentRuntimeId"], **changed)
    said.pop("agentRuntimeName")
    return {name: value for name, value in said.items() if value is not None}


def told(made: dict[str, Any], **which: Any) -> dict[str, Any]:
    return ask("GetAgentRuntime", agentRuntimeId=made["agentRuntimeId"], **which)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


WHOLE: dict[str, Any] = {
    "description": "Answers what it is asked.",
    "networkConfiguration": {
        "networkMode": "VPC",
        "networkModeConfig": {
            "securityGroups": ["sg-0123456789"],
            "subnets": ["subnet-0123456789"],
        },
    },
    "authorizerConfiguration": authorizer(
        allowedAudience=["api://agents"],
        allowedScopes=["call"],
        advertisedScopeMapping={"call": "api://agents/call"},
        customClaims=[
            {
                "inboundTokenClaimName": "department",
                "inboundTokenClaimValueType": "STRING",
                "authorizingClaimMatchValue": {
                    "claimMatchValue": {"matchValueString": "support"},
                    "claimMatchOperator": "EQUALS",
                },
            }
        ],
        allowedWorkloadConfiguration={"workloadIdentities": ["batch"]},
    ),
    "requestHeaderConfiguration": {"requestHeaderAllowlist": ["X-Tenant", "traceparent"]},
    "protocolConfiguration": {"serverProtocol": "MCP", "port": 8000, "path": "/tools"},
    "lifecycleConfiguration": {"idleRuntimeSessionTimeout": 60, "maxLifetime": 120},
}


def test_an_agent_is_told_as_it_was_given() -> None:
    WorkloadIdentity.objects.create(name="batch")

    made = created(**WHOLE)
    found = told(made)

    given = {**asked(**WHOLE)}
    assert {name: found[name] for name in given} == given
    assert (found["status"], found["agentRuntimeVersion"]) == ("READY", "1")
    assert made.items() <= found.items()
    assert found["createdAt"].endswith("Z")


def test_it_comes_with_an_identity_of_its_own_id_a_default_endpoint_and_a_record() -> None:
    made = created()

    agent = Agent.objects.get(agent_id=made["agentRuntimeId"])
    assert made["agentRuntimeArn"] == agent.arn
    assert agent.workload_identity.name == agent.agent_id
    assert made["workloadIdentityDetails"] == {"workloadIdentityArn": agent.workload_identity.arn}
    assert [endpoint.name for endpoint in agent.endpoints.all()] == ["DEFAULT"]
    assert actions() == ["admin.workload_identity.created", "admin.agent.registered"]


def test_what_was_not_given_is_what_aws_would_take() -> None:
    bare = {name: asked()[name] for name in ("agentRuntimeArtifact", "roleArn")}
    made = ask("CreateAgentRuntime", agentRuntimeName="greeter", **bare)

    found = told(made)

    assert "authorizerConfiguration" not in found
    assert Agent.objects.get().versions.get().auth_mode == "SIGV4"
    assert found["protocolConfiguration"] == {"serverProtocol": "HTTP"}
    assert found["lifecycleConfiguration"] == {
        "idleRuntimeSessionTimeout": 900,
        "maxLifetime": 28_800,
    }
    assert "requestHeaderConfiguration" not in found


def test_an_agent_that_an_admin_made_is_told_too(alice: User) -> None:
    made = created()
    agent = Agent.objects.get()
    version = agent.versions.get()
    noted = {
        "inboundTokenClaimName": "groups",
        "inboundTokenClaimValueType": "STRING_ARRAY",
        "authorizingClaimMatchValue": {
            "claimMatchOperator": "CONTAINS",
            "claimMatchValue": {"matchValueString": "staff", "matchValueStringList": None},
        },
        "why": "noted by an admin",
    }
    columns = {"url": URL, "discovery_url": DISCOVERY, "custom_claims": [noted]}
    agent.versions.create(number=version.number + 1, **columns)

    found = told(made)

    assert found["roleArn"] == "arn:aws:iam::000000000000:role/none"
    (claim,) = found["authorizerConfiguration"]["customJWTAuthorizer"]["customClaims"]
    assert "why" not in claim
    assert claim["authorizingClaimMatchValue"]["claimMatchValue"] == {"matchValueString": "staff"}


@pytest.mark.parametrize("is_open", [True, False])
def test_who_may_use_it_is_decided_by_the_site(settings: Any, is_open: bool) -> None:
    settings.DAIKO_OPEN_AGENTS = is_open

    created()

    assert Agent.objects.get().allow_everyone is is_open


@pytest.mark.parametrize(
    "image",
    [
        "000000000000.dkr.ecr.us-east-1.amazonaws.com/agents/concierge:latest",
        *("public.ecr.aws/agents/concierge", "concierge:latest", "ftp://agents.example"),
    ],
)
def test_an_image_is_refused_and_it_is_said_that_a_url_is_wanted(image: str) -> None:
    refusal = refused(InvalidRequest, "CreateAgentRuntime", **asked(agentRuntimeArtifact=at(image)))

    assert field_of(refusal) == URI
    assert "starts no containers" in str(refusal.message)
    assert "https://" in str(refusal.message)
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    "url", ["http://agents.example", "https://10.0.0.1", f"{URL}?a=b", f"{URL}/invocations"]
)
def test_a_url_that_an_admin_could_not_give_is_refused_at_its_member(url: str) -> None:
    refusal = refused(InvalidRequest, "CreateAgentRuntime", **asked(agentRuntimeArtifact=at(url)))

    assert field_of(refusal) == URI
    assert not WorkloadIdentity.objects.exists()


_S3 = {"code": {"s3": {"bucket": "agents", "prefix": "a.zip"}}}
_LATTICE = {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-" + "0" * 17}}
_OVERRIDE = {"domain": "idp.example", "privateEndpoint": _LATTICE}
_ENVIRONMENT = "arn:aws:bedrock-agentcore:us-east-1:000000000000:gateway/tools"
_PROVIDER = "arn:aws:bedrock-agentcore:us-east-1:000000000000:capacity-provider/a-0123456789"


@pytest.mark.parametrize(
    ("member", "changed"),
    [
        (
            "agentRuntimeArtifact.codeConfiguration",
            {
                "agentRuntimeArtifact": {
                    "codeConfiguration": {**_S3, "runtime": "PYTHON_3_12", "entryPoint": ["a.py"]}
                }
            },
        ),
        ("environmentVariables", {"environmentVariables": {"API_KEY": "s3cret"}}),
        (
            "filesystemConfigurations",
            {"filesystemConfigurations": [{"sessionStorage": {"mountPath": "/mnt/data"}}]},
        ),
        (
            "hooksConfiguration",
            {"hooksConfiguration": {"build": {"warmup": {"action": {"httpPost": {"path": "/"}}}}}},
        ),
        (
            "capacityProviderConfiguration",
            {"capacityProviderConfiguration": {"capacityProviderArn": _PROVIDER}},
        ),
        ("platformVersion", {"platformVersion": "v2"}),
        ("resourceConfigurations", {"resourceConfigurations": [{"minimumMemoryInMiB": 1024}]}),
        ("allowedPorts", {"allowedPorts": [{"port": 8080}]}),
        (
            f"{JWT}.privateEndpoint",
            {"authorizerConfiguration": authorizer(privateEndpoint=_LATTICE)},
        ),
        (
            f"{JWT}.privateEndpointOverrides",
            {"authorizerConfiguration": authorizer(privateEndpointOverrides=[_OVERRIDE])},
        ),
        (
            f"{JWT}.certificateConfigurations",
            {
                "authorizerConfiguration": authorizer(
                    certificateConfigurations=[{"s3": {"uri": "s3://a/b"}}]
                )
            },
        ),
        (
            f"{JWT}.allowedWorkloadConfiguration.hostingEnvironments",
            {
                "authorizerConfiguration": authorizer(
                    allowedWorkloadConfiguration={"hostingEnvironments": [{"arn": _ENVIRONMENT}]}
                )
            },
        ),
    ],
)
def test_what_would_do_nothing_here_is_refused_by_name(
    member: str, changed: dict[str, Any]
) -> None:
    refusal = refused(InvalidRequest, "CreateAgentRuntime", **asked(**changed))

    assert field_of(refusal) == member
    assert "s3cret" not in str(refusal.message)
    assert not Agent.objects.exists()


def test_what_tools_send_along_empty_is_taken() -> None:
    nothing: dict[str, Any] = {"environmentVariables": {}, "filesystemConfigurations": []}
    made = created(**nothing, resourceConfigurations=[])
    metadata = {"metadataConfiguration": {"requireMMDSV2": True}}

    ask("UpdateAgentRuntime", **changed_to(made, **nothing, **metadata))

    assert "environmentVariables" not in told(made)


@pytest.mark.parametrize(
    ("member", "changed"),
    [
        (f"{JWT}.allowedClients", {"authorizerConfiguration": authorizer(allowedClients=["a b"])}),
        (
            f"{JWT}.allowedClients",  # nothing restricts who may call
            {"authorizerConfiguration": {"customJWTAuthorizer": {"discoveryUrl": DISCOVERY}}},
        ),
        (
            f"{JWT}.discoveryUrl",
            {"authorizerConfiguration": authorizer(discoveryUrl=DISCOVERY.replace("s:", ":"))},
        ),
        (
            f"{JWT}.advertisedScopeMapping",
            {"authorizerConfiguration": authorizer(advertisedScopeMapping={"a": "b"})},
        ),
        (
            f"{JWT}.allowedWorkloadConfiguration.workloadIdentities",
            {
                "authorizerConfiguration": authorizer(
                    allowedWorkloadConfiguration={"workloadIdentities": ["nobody"]}
                )
            },
        ),
        (
            "requestHeaderConfiguration.requestHeaderAllowlist",
            {"requestHeaderConfiguration": {"requestHeaderAllowlist": ["Cookie"]}},
        ),
        (
            "lifecycleConfiguration.maxLifetime",
            {"lifecycleConfiguration": {"idleRuntimeSessionTimeout": 120, "maxLifetime": 60}},
        ),
        (
            "protocolConfiguration.path",
            {"protocolConfiguration": {"serverProtocol": "MCP", "path": "/../admin"}},
        ),
        ("tags", {"tags": {"aws:team": "a"}}),
    ],
)
def test_what_breaks_a_rule_of_this_site_is_refused_at_its_member(
    member: str, changed: dict[str, Any]
) -> None:
    assert field_of(refused(InvalidRequest, "CreateAgentRuntime", **asked(**changed))) == member
    assert not Agent.objects.exists()


def test_a_name_is_given_once() -> None:
    created()

    refused(NameTaken, "CreateAgentRuntime", **asked())
    assert Agent.objects.count() == 1


# --- updates -------------------------------------------------------------------------------------


def test_an_update_is_a_new_version_and_the_old_one_stays_as_it_was() -> None:
    made = created(**{**WHOLE, "authorizerConfiguration": authorizer()})

    answer = ask("UpdateAgentRuntime", **changed_to(made, agentRuntimeArtifact=at(URL + "/v2")))

    assert answer["agentRuntimeVersion"] == "2"
    assert told(made)["agentRuntimeArtifact"] == at(URL + "/v2")
    first = told(made, agentRuntimeVersion="1")
    assert first["agentRuntimeArtifact"] == at()
    assert first["protocolConfiguration"]["serverProtocol"] == "MCP"
    # What was left out went back to its default, as at AWS.
    newest = told(made)
    assert newest["protocolConfiguration"] == {"serverProtocol": "HTTP"}
    assert "description" not in newest
    assert actions()[-2:] == ["admin.agent.configured", "admin.agent.described"]


def test_an_update_that_says_nothing_new_makes_no_version() -> None:
    made = created()

    assert ask("UpdateAgentRuntime", **changed_to(made))["agentRuntimeVersion"] == "1"
    assert Agent.objects.get().versions.count() == 1


def test_what_the_api_cannot_say_and_an_admin_said_stays() -> None:
    made = created()
    agent = Agent.objects.get()
    agent.versions.create(
        number=2,
        url=URL,
        discovery_url=DISCOVERY,
        allowed_clients=["portal"],
        client_claims=["azp"],
        resource_identifier="https://agents.example/",
    )

    ask("UpdateAgentRuntime", **changed_to(made, agentRuntimeArtifact=at(URL + "/v3")))

    newest = agent.versions.order_by("-number")[0]
    assert (newest.number, newest.client_claims) == (3, ["azp"])
    assert newest.resource_identifier == "https://agents.example/"
    # Without clients to compare it with, another claim for the client would do nothing.
    rule = authorizer(allowedClients=None, allowedScopes=["call"])
    ask("UpdateAgentRuntime", **changed_to(made, authorizerConfiguration=rule))
    assert agent.versions.order_by("-number")[0].client_claims == []


def test_who_may_call_an_agent_without_an_authorizer_for_people_stays_as_an_admin_said() -> None:
    made = created(authorizerConfiguration=None)
    agent = Agent.objects.get()
    agent.versions.create(number=2, url=URL, auth_mode="SIGV4", allowed_workloads=[agent.agent_id])
    asked = {"authorizerConfiguration": None, "agentRuntimeArtifact": at(URL + "/v3")}

    ask("UpdateAgentRuntime", **changed_to(made, **asked))

    newest = agent.versions.order_by("-number")[0]
    assert (newest.number, newest.allowed_workloads) == (3, [agent.agent_id])


def test_a_runtime_on_aws_stays_one_and_is_not_made_one_here() -> None:
    arn = "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/there-a1B2c3D4e5"
    made = created()
    rule = {"discovery_url": DISCOVERY, "allowed_clients": ["portal"]}
    agent = Agent.objects.get()
    refused(InvalidRequest, "UpdateAgentRuntime", **changed_to(made, agentRuntimeArtifact=at(arn)))
    agent.versions.create(number=2, url=arn, called_with="BEARER", **rule)

    assert told(made)["agentRuntimeArtifact"] == at(arn)
    update = changed_to(
        made,
        agentRuntimeArtifact=at(arn),
        authorizerConfiguration=authorizer(allowedClients=["portal", "cli"]),
    )
    ask("UpdateAgentRuntime", **update)

    newest = agent.versions.order_by("-number")[0]
    assert (newest.number, newest.url, newest.called_with) == (3, arn, "BEARER")
    ask("UpdateAgentRuntime", **changed_to(made))
    newest = agent.versions.order_by("-number")[0]
    assert (newest.url, newest.called_with) == (URL, "")


def test_an_authorizer_goes_only_with_the_tag_that_says_so_and_once() -> None:
    made = created()
    dropping = changed_to(made, authorizerConfiguration=None)

    refusal = refused(InvalidRequest, "UpdateAgentRuntime", **dropping)

    assert field_of(refusal) == "authorizerConfiguration"
    assert "daiko:may-drop-authorizer=true" in str(refusal.message)
    assert "Tick" not in str(refusal.message)
    assert Agent.objects.get().versions.count() == 1

    arn = made["agentRuntimeArn"]
    ask("TagResource", resourceArn=arn, tags={"daiko:may-drop-authorizer": "true", "team": "a"})
    assert ask("UpdateAgentRuntime", **dropping)["agentRuntimeVersion"] == "2"
    assert "authorizerConfiguration" not in told(made)
    assert ask("ListTagsForResource", resourceArn=arn) == {"tags": {"team": "a"}}
    assert "admin.tags.removed" in actions()

    ask("UpdateAgentRuntime", **changed_to(made))
    refused(InvalidRequest, "UpdateAgentRuntime", **dropping)


def test_the_tag_waits_for_an_update_that_needs_it() -> None:
    made = created(tags={"daiko:may-drop-authorizer": "true"})

    ask("UpdateAgentRuntime", **changed_to(made, agentRuntimeArtifact=at(URL + "/v2")))

    tags = ask("ListTagsForResource", resourceArn=made["agentRuntimeArn"])["tags"]
    assert tags == {"daiko:may-drop-authorizer": "true"}


# --- the same call again -------------------------------------------------------------------------


def test_the_same_call_with_the_same_token_is_done_once() -> None:
    first = created(clientToken=TOKEN)

    assert created(clientToken=TOKEN) == first
    assert Agent.objects.count() == 1
    update = changed_to(first, agentRuntimeArtifact=at(URL + "/v2"), clientToken=TOKEN)
    assert ask("UpdateAgentRuntime", **update) == ask("UpdateAgentRuntime", **update)
    assert Agent.objects.get().versions.count() == 2
    gone = {"agentRuntimeId": first["agentRuntimeId"], "clientToken": TOKEN}
    assert ask("DeleteAgentRuntime", **gone) == ask("DeleteAgentRuntime", **gone)
    assert actions().count("admin.agent.deleted") == 1


def test_a_token_that_came_with_something_else_is_refused() -> None:
    made = created(clientToken=TOKEN)
    description = "another"

    refusal = refused(
        InvalidRequest, "CreateAgentRuntime", **asked(clientToken=TOKEN, description=description)
    )

    assert field_of(refusal) == "clientToken"
    assert isinstance(refusal, InvalidRequest)
    assert refusal.reason == "IdempotentParameterMismatchException"
    assert "description" not in told(made)
    other = ask("CreateAgentRuntime", **asked(agentRuntimeName="other"))
    ask("DeleteAgentRuntime", agentRuntimeId=other["agentRuntimeId"], clientToken=TOKEN)
    # This operation has no ValidationException in the model.
    refused(
        Conflict,
        "DeleteAgentRuntime",
        agentRuntimeId=made["agentRuntimeId"],
        clientToken=TOKEN,
    )
    assert Agent.objects.count() == 1


def test_nobody_is_told_of_an_agent_that_is_gone() -> None:
    first = created(clientToken=TOKEN)
    ask("DeleteAgentRuntime", agentRuntimeId=first["agentRuntimeId"])

    again = created(clientToken=TOKEN)

    assert again["agentRuntimeId"] != first["agentRuntimeId"]


def test_a_token_is_remembered_for_a_day(time_machine: Any) -> None:
    time_machine.move_to("2026-01-01T00:00:00Z", tick=False)
    created(clientToken=TOKEN)
    AnsweredCall.objects.update(at="2026-01-01T00:00:00Z")

    time_machine.move_to("2026-01-02T00:00:01Z", tick=False)
    refused(NameTaken, "CreateAgentRuntime", **asked(clientToken=TOKEN))


def test_a_refused_call_is_not_remembered() -> None:
    refused(
        InvalidRequest,
        "CreateAgentRuntime",
        **asked(clientToken=TOKEN, agentRuntimeArtifact=at("a:1")),
    )

    assert created(clientToken=TOKEN)["agentRuntimeVersion"] == "1"


# --- deleting ------------------------------------------------------------------------------------


def test_an_agent_goes_with_its_versions_endpoints_identity_and_tags() -> None:
    made = created(tags={"team": "a"})
    ask("UpdateAgentRuntime", **changed_to(made, agentRuntimeArtifact=at(URL + "/v2")))
    named = {"agentRuntimeId": made["agentRuntimeId"]}
    ask("CreateAgentRuntimeEndpoint", **named, name="live", agentRuntimeVersion="1")

    assert ask("DeleteAgentRuntime", **named)["status"] == "DELETING"

    refused(AgentUnknown, "GetAgentRuntime", **named)
    assert not WorkloadIdentity.objects.filter(name=made["agentRuntimeId"]).exists()
    assert actions()[-1] == "admin.agent.deleted"
    assert AuditEvent.objects.filter(agent=made["agentRuntimeId"]).exists()


def test_what_people_said_to_it_stands_in_the_way_and_it_is_said_what_to_do(bob: User) -> None:
    made = created()
    Conversation.objects.create(user=bob, agent=Agent.objects.get())

    refusal = refused(AgentInUse, "DeleteAgentRuntime", agentRuntimeId=made["agentRuntimeId"])

    assert "Switch it off" in str(refusal.message)
    assert refusal.aws == "ConflictException"
    assert Agent.objects.exists()


def test_only_a_version_that_nothing_serves_is_deleted_alone() -> None:
    made = created()
    for number in (2, 3):
        new = at(f"{URL}/v{number}")
        ask("UpdateAgentRuntime", **changed_to(made, agentRuntimeArtifact=new))
    named = {"agentRuntimeId": made["agentRuntimeId"]}
    ask("CreateAgentRuntimeEndpoint", **named, name="live", agentRuntimeVersion="1")

    newest = refused(VersionInUse, "DeleteAgentRuntime", **named, agentRuntimeVersion="3")
    assert "newest" in str(newest.message)
    pinned = refused(VersionInUse, "DeleteAgentRuntime", **named, agentRuntimeVersion="1")
    assert str(pinned.message).endswith(": live")
    gone = ask("DeleteAgentRuntime", **named, agentRuntimeVersion="2")
    assert gone["agentRuntimeVersion"] == "2"

    refused(VersionUnknown, "DeleteAgentRuntime", **named, agentRuntimeVersion="2")
    refused(VersionUnknown, "GetAgentRuntime", **named, agentRuntimeVersion="2")
    agent = Agent.objects.get()
    assert sorted(agent.versions.values_list("number", flat=True)) == [1, 3]
    event = AuditEvent.objects.get(action="admin.agent.version_deleted")
    assert (event.detail["version"], event.detail["url"]) == (2, URL + "/v2")
    # Its number is not given again.
    ask("UpdateAgentRuntime", **changed_to(made))
    assert agent.versions.order_by("-number")[0].number == 4


# --- lists ---------------------------------------------------------------------------------------


def test_agents_are_listed_by_name_a_page_at_a_time() -> None:
    for name in ("c", "a", "b"):
        created(agentRuntimeName=name, description=f"Agent {name}.")

    first = ask("ListAgentRuntimes", maxResults=2)
    rest = ask("ListAgentRuntimes", maxResults=2, nextToken=first["nextToken"])

    assert [row["agentRuntimeName"] for row in first["agentRuntimes"]] == ["a", "b"]
    assert [row["description"] for row in rest["agentRuntimes"]] == ["Agent c."]
    assert "nextToken" not in rest
    assert field_of(refused(InvalidRequest, "ListAgentRuntimes", nextToken="x")) == "nextToken"


def test_versions_are_listed_the_newest_first() -> None:
    made = created()
    named = {"agentRuntimeId": made["agentRuntimeId"]}
    for number in (2, 3):
        new = at(f"{URL}/v{number}")
        ask("UpdateAgentRuntime", **changed_to(made, agentRuntimeArtifact=new))

    first = ask("ListAgentRuntimeVersions", **named, maxResults=2)
    rest = ask("ListAgentRuntimeVersions", **named, nextToken=first["nextToken"])

    assert [row["agentRuntimeVersion"] for row in first["agentRuntimes"]] == ["3", "2"]
    assert [row["agentRuntimeVersion"] for row in rest["agentRuntimes"]] == ["1"]
    assert ask("ListAgentRuntimes")["agentRuntimes"][0]["agentRuntimeVersion"] == "3"


# --- who may -------------------------------------------------------------------------------------

OURS = [operation.name for operation in OPERATIONS if "AgentRuntime" in operation.name]


def test_all_eleven_are_an_operators_to_be_limited_to() -> None:
    assert len(OURS) == 11
    assert set(OURS) <= set(FOR_OPERATORS)
    assert not set(OURS) & set(FOR_AGENTS)


@pytest.mark.parametrize("operation", OURS)
def test_an_agents_own_key_keeps_no_agents(operation: str) -> None:
    made = created()
    agent = Agent.objects.get()
    key, _secret = access_key_create(
        label="k", workload_identity=agent.workload_identity, actor=ADMIN
    )
    given: dict[str, Any] = {
        "CreateAgentRuntime": asked(),
        "ListAgentRuntimes": {},
        "UpdateAgentRuntime": changed_to(made),
    }.get(operation, {"agentRuntimeId": made["agentRuntimeId"]})
    if operation.endswith("Endpoint"):
        member = "name" if operation.startswith("Create") else "endpointName"
        given = {**given, member: "live"}
    before = actions()

    with pytest.raises(Forbidden):
        ask(operation, Caller(key.access_key_id, agent.workload_identity.name), **given)

    assert actions() == before


def test_an_agent_that_is_switched_off_can_be_looked_at() -> None:
    made = created()
    services.agent_switch(agent=Agent.objects.get(), enabled=False, actor=ADMIN)

    assert told(made)["status"] == "READY"
