"""`import_agents` against AWS's stand-in."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents import importing
from agents.aws import places
from agents.aws.places import place_at
from agents.configuration import Configuration, ConfigurationRefused
from agents.models import Agent
from core import aws as clients
from core.models import AuditEvent, User
from tests.agents.conftest import make_agent
from tests.aws.conftest import ARTIFACT
from tests.fixtures.aws import REGION, Aws

pytestmark = pytest.mark.django_db

JWT = {
    "customJWTAuthorizer": {
        "discoveryUrl": "https://idp.example/.well-known/openid-configuration",
        "allowedClients": ["portal", "cli"],
        "allowedScopes": ["agents"],
        "customClaims": [
            {
                "inboundTokenClaimName": "team",
                "inboundTokenClaimValueType": "STRING",
                "authorizingClaimMatchValue": {
                    "claimMatchOperator": "EQUALS",
                    "claimMatchValue": {"matchValueString": "support"},
                },
            }
        ],
    }
}


def changed(aws: Aws, runtime_id: str, **about: Any) -> None:
    aws.client("bedrock-agentcore-control").update_agent_runtime(
        agentRuntimeId=runtime_id,
        agentRuntimeArtifact=ARTIFACT,
        roleArn="arn:aws:iam::123456789012:role/agent",
        networkConfiguration={"networkMode": "PUBLIC"},
        **about,
    )


def run(*arguments: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    try:
        call_command("import_agents", "--json", *arguments, stdout=out)
    finally:
        found = [json.loads(line) for line in out.getvalue().splitlines()]
    return found


def said_by(agent: Agent) -> Configuration:
    version = agent.versions.order_by("-number").first()
    assert version is not None
    return Configuration.of(version)


def test_what_is_new_is_shown_and_nothing_is_registered(made: Any) -> None:
    runtime_id = made("hosted_agent")

    (told,) = run()

    assert (told["standing"], told["name"], told["agent"]) == ("new", "hosted_agent", None)
    assert told["arn"] == (f"arn:aws:bedrock-agentcore:{REGION}:123456789012:runtime/{runtime_id}")
    assert not Agent.objects.exists()


def test_a_runtime_with_an_authorizer_is_registered_with_it_and_open_to_nobody(
    made: Any, bob: User
) -> None:
    made(
        "hosted_agent",
        description="Answers questions.",
        authorizerConfiguration=JWT,
        protocolConfiguration={"serverProtocol": "A2A"},
        requestHeaderConfiguration={"requestHeaderAllowlist": ["Authorization", "X-Tenant"]},
        lifecycleConfiguration={"idleRuntimeSessionTimeout": 600, "maxLifetime": 3600},
    )

    (told,) = run("--name", "hosted_agent")

    agent = Agent.objects.get()
    assert told["done"] == f"registered as {agent.agent_id}"
    assert agent.description == "Answers questions."
    assert not agent.allow_everyone
    assert not agent.allowed_groups.exists()
    assert not agent.allowed_users.exists()
    rule = JWT["customJWTAuthorizer"]
    assert said_by(agent) == Configuration(
        url=told["arn"],
        called_with=places.BEARER,
        protocol="A2A",
        discovery_url=str(rule["discoveryUrl"]),
        allowed_clients=("portal", "cli"),
        allowed_scopes=("agents",),
        custom_claims=tuple(rule["customClaims"]),  # type: ignore[arg-type]
        header_allowlist=("Authorization", "X-Tenant"),
        session_idle_s=600,
        session_lifetime_s=3600,
    )
    event = AuditEvent.objects.get(action="admin.agent.registered")
    assert (event.actor, event.agent) == ("manage.py import_agents", agent.agent_id)


def test_a_runtime_without_one_is_registered_as_called_with_signatures(made: Any) -> None:
    made("hosted_agent")

    run("--all")

    said = said_by(Agent.objects.get())
    assert (said.auth_mode, said.called_with) == ("SIGV4", places.SIGV4)


def test_a_second_run_finds_the_same_and_registers_nothing(made: Any) -> None:
    made("hosted_agent", authorizerConfiguration=JWT)
    run("--all")

    (told,) = run("--all")

    assert (told["standing"], told["changes"]) == ("same", {})
    assert "done" not in told
    assert Agent.objects.count() == 1


def test_a_dry_run_says_what_would_be_done(made: Any) -> None:
    made("good", authorizerConfiguration=JWT)
    made("unrestricted", authorizerConfiguration={
        "customJWTAuthorizer": {"discoveryUrl": "https://idp.example/.well-known/openid-configuration"}
    })  # fmt: skip

    with pytest.raises(CommandError, match="1 refused"):
        run("--all", "--dry-run")

    assert not Agent.objects.exists()


def test_what_this_site_does_not_take_is_refused_and_the_rest_registered(made: Any) -> None:
    made("good", authorizerConfiguration=JWT)
    made(
        "bad",
        authorizerConfiguration={
            "customJWTAuthorizer": {
                "discoveryUrl": "http://10.0.0.1/.well-known/openid-configuration",
                "allowedClients": ["x"],
            }
        },
    )

    with pytest.raises(CommandError, match="1 refused"):
        run("--all")

    assert [agent.name for agent in Agent.objects.all()] == ["good"]


def test_a_name_that_is_taken_is_refused_and_another_may_be_given(made: Any) -> None:
    make_agent("hosted_agent", url="https://agent.example")
    made("hosted_agent")

    with pytest.raises(CommandError, match="1 refused"):
        run("--name", "hosted_agent")
    run("--name", "hosted_agent", "--as", "at_aws")

    assert said_by(Agent.objects.get(name="at_aws")).url.startswith("arn:")
    assert Agent.objects.count() == 2


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--name", "nobody"], "no such runtime"),
        (["--as", "other"], "one --name"),
    ],
)
def test_a_choice_that_is_none_is_refused(arguments: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        run(*arguments)


def test_what_changed_at_aws_is_told_and_followed_only_when_asked_to(aws: Aws, made: Any) -> None:
    runtime_id = made("hosted_agent", authorizerConfiguration=JWT)
    run("--all")
    rule = {**JWT["customJWTAuthorizer"], "allowedClients": ["cli"]}
    changed(aws, runtime_id, authorizerConfiguration={"customJWTAuthorizer": rule})

    (told,) = run("--all")

    assert told["standing"] == "changed"
    assert told["changes"] == {"allowed_clients": {"here": ["portal", "cli"], "aws": ["cli"]}}
    agent = Agent.objects.get()
    assert said_by(agent).allowed_clients == ("portal", "cli")
    (told,) = run("--all", "--update")
    assert told["done"] == "version 2 says so now"
    assert said_by(agent).allowed_clients == ("cli",)
    assert run()[0]["standing"] == "same"


def test_an_authorizer_that_is_gone_at_aws_is_not_dropped_here(aws: Aws, made: Any) -> None:
    made("hosted_agent")
    (runtime,) = importing.compare(region=REGION)
    agent = make_agent("hosted_agent", url=runtime.place.arn, called_with=places.BEARER)

    with pytest.raises(CommandError, match="1 refused"):
        run("--all", "--update")

    assert said_by(agent).auth_mode == "JWT"
    assert {"auth_mode", "called_with"} <= set(run()[0]["changes"])


def test_who_may_call_a_signed_runtime_is_this_sites_own_to_say(made: Any) -> None:
    made("hosted_agent")
    (runtime,) = importing.compare(region=REGION)
    make_agent("hosted_agent", url=runtime.place.arn, called_with=places.SIGV4)

    assert run()[0]["standing"] == "same"


def test_what_is_gone_at_aws_is_told(aws: Aws, made: Any) -> None:
    runtime_id = made("hosted_agent", authorizerConfiguration=JWT)
    made("other_agent")
    run("--all")
    aws.client("bedrock-agentcore-control").delete_agent_runtime(agentRuntimeId=runtime_id)

    told = {each["name"]: each["standing"] for each in run("--all", "--update")}

    assert told == {"hosted_agent": "gone", "other_agent": "same"}
    assert Agent.objects.count() == 2


def test_agents_of_another_account_and_of_none_are_left_out(made: Any) -> None:
    made("hosted_agent")
    make_agent("here", url="https://agent.example")
    elsewhere = f"arn:aws:bedrock-agentcore:{REGION}:999999999999:runtime/far-a1B2c3D4e5"
    make_agent("far", url=elsewhere, called_with=places.SIGV4)

    assert [each["name"] for each in run()] == ["hosted_agent"]


def test_an_endpoint_serves_its_own_version(aws: Aws, made: Any) -> None:
    runtime_id = made("hosted_agent", authorizerConfiguration=JWT)
    aws.client("bedrock-agentcore-control").create_agent_runtime_endpoint(
        agentRuntimeId=runtime_id, name="prod", agentRuntimeVersion="1"
    )

    with pytest.raises(CommandError, match="1 refused"):
        run("--all", "--qualifier", "none")
    run("--all", "--qualifier", "prod")

    place = place_at(said_by(Agent.objects.get()).url)
    assert place is not None
    assert place.qualifier == "prod"
    assert run()[0]["standing"] == "same"


def test_an_agent_is_told_what_aws_says_of_it_now(aws: Aws, made: Any) -> None:
    runtime_id = made("hosted_agent", authorizerConfiguration=JWT)
    run("--all")
    agent = Agent.objects.get()
    assert [finding.ok for finding in importing.findings(agent)] == [True]

    changed(aws, runtime_id, protocolConfiguration={"serverProtocol": "MCP"})
    (told,) = [each for each in importing.findings(agent) if "protocol" in str(each)]

    assert not told.ok
    assert "MCP" in str(told)
    aws.client("bedrock-agentcore-control").delete_agent_runtime(agentRuntimeId=runtime_id)
    assert "AWS has no such runtime" in str(importing.findings(agent)[0])
    assert importing.findings(make_agent("here", url="https://agent.example")) == []


def test_an_aws_that_is_away_is_told_of(
    aws: Aws, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("hosted_agent")
    run("--all")
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL", "http://127.0.0.1:9")
    clients.forget()

    with pytest.raises(CommandError, match="does not answer"):
        run()
    assert not importing.findings(Agent.objects.get())[0].ok


def test_a_note_is_made_of_what_an_authorizer_says_besides(made: Any) -> None:
    rule = {
        **JWT["customJWTAuthorizer"],
        "privateEndpoint": {
            "selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-" + "0" * 17}
        },
    }
    made("hosted_agent", authorizerConfiguration={"customJWTAuthorizer": rule})

    (told,) = run()

    assert any("privateEndpoint" in note for note in told["notes"])


def test_a_configuration_on_aws_has_to_say_how_it_is_called() -> None:
    arn = f"arn:aws:bedrock-agentcore:{REGION}:123456789012:runtime/far-a1B2c3D4e5"
    wrongs: tuple[dict[str, Any], ...] = (
        {"called_with": ""},
        {"called_with": places.SIGV4, "path": "/x"},
    )
    for wrong in wrongs:
        with pytest.raises(ConfigurationRefused):
            make_agent("far", url=arn, **wrong)

    assert make_agent("far", url=arn, called_with=places.SIGV4).versions.get().url == arn
