"""The admin page on which the runtimes of an AWS account are registered."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from agents.aws import places
from agents.models import Agent
from core import aws as clients
from core.models import AuditEvent, User
from tests.agents.conftest import signed_in
from tests.aws.test_importing import JWT, changed, said_by
from tests.fixtures.aws import REGION, Aws

pytestmark = pytest.mark.django_db

PAGE = "/admin/agents/agent/import/"


def place(region: str, runtime_id: str) -> str:
    return f"arn:aws:bedrock-agentcore:{region}:123456789012:runtime/{runtime_id}"


def test_what_is_there_is_shown_and_what_is_chosen_registered(
    made: Any, admin: Client, alice: User
) -> None:
    chosen = place(REGION, made("hosted_agent", authorizerConfiguration=JWT))
    made("other_agent")

    page = admin.get(PAGE).content.decode()
    assert "hosted_agent" in page
    assert "other_agent" in page
    told = admin.post(PAGE, {"region": REGION, "runtime": chosen}, follow=True).content.decode()

    assert "Nobody may use it until you say who." in told
    agent = Agent.objects.get()
    assert (agent.name, said_by(agent).called_with) == ("hosted_agent", places.BEARER)
    assert not agent.allow_everyone
    event = AuditEvent.objects.get(action="admin.agent.registered")
    assert event.subject_sub == alice.sub


def test_only_what_aws_has_is_registered(made: Any, admin: Client) -> None:
    made("hosted_agent")

    admin.post(PAGE, {"region": REGION, "runtime": place(REGION, "forged-a1B2c3D4e5")})

    assert not Agent.objects.exists()


def test_a_changed_agent_follows_aws_once_it_is_chosen(aws: Aws, made: Any, admin: Client) -> None:
    runtime_id = made("hosted_agent", authorizerConfiguration=JWT)
    chosen = {"region": REGION, "runtime": place(REGION, runtime_id)}
    admin.post(PAGE, chosen)
    changed(aws, runtime_id, protocolConfiguration={"serverProtocol": "MCP"})

    assert "protocol: here HTTP, at AWS MCP" in admin.get(PAGE).content.decode()
    admin.post(PAGE, chosen)

    assert said_by(Agent.objects.get()).protocol == "MCP"


def test_what_this_site_does_not_take_is_told_of(made: Any, admin: Client) -> None:
    rule = {"discoveryUrl": "https://idp.example/.well-known/openid-configuration"}
    runtime_id = made("open", authorizerConfiguration={"customJWTAuthorizer": rule})

    told = admin.post(PAGE, {"region": REGION, "runtime": place(REGION, runtime_id)}, follow=True)

    assert "Any token of the issuer would do." in told.content.decode()
    assert not Agent.objects.exists()


def test_an_aws_that_is_away_is_told_of_on_the_page(
    aws: Aws, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL", "http://127.0.0.1:9")
    clients.forget()

    for answer in (admin.get(PAGE), admin.post(PAGE, {"region": REGION}, follow=True)):
        assert answer.status_code == 200
        assert "AWS does not answer" in answer.content.decode()


@pytest.mark.usefixtures("aws")
def test_what_is_no_region_is_told_of(admin: Client) -> None:
    answer = admin.get(PAGE, {"region": "evil.example/#"})

    assert answer.status_code == 200
    assert "no region of AWS" in answer.content.decode()


@pytest.mark.usefixtures("aws")
def test_an_empty_account_is_shown_as_one(admin: Client) -> None:
    assert f"no runtime in {REGION}" in admin.get(PAGE).content.decode()
    assert admin.put(PAGE).status_code == 405


def test_whoever_may_only_look_neither_sees_the_page_nor_registers(made: Any, bob: User) -> None:
    runtime_id = made("hosted_agent")
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    looker = signed_in(bob)

    assert looker.get(PAGE).status_code == 403
    chosen = {"region": REGION, "runtime": place(REGION, runtime_id)}
    assert looker.post(PAGE, chosen).status_code == 403

    assert not Agent.objects.exists()
    assert "Import from AWS" not in looker.get("/admin/agents/agent/").content.decode()


@pytest.mark.usefixtures("aws")
def test_the_list_of_agents_leads_to_the_page(admin: Client) -> None:
    listed = admin.get("/admin/agents/agent/").content.decode()

    assert reverse("admin:agents_agent_import") == PAGE
    assert f'href="{PAGE}"' in listed


def test_testing_an_agent_tells_what_aws_says_of_it(made: Any, admin: Client, aws: Aws) -> None:
    runtime_id = made("hosted_agent")
    admin.post(PAGE, {"region": REGION, "runtime": place(REGION, runtime_id)})
    agent = Agent.objects.get()
    test = reverse("admin:agents_agent_test", args=[agent.pk])

    assert (
        "AWS says of the runtime what is registered"
        in admin.post(test, follow=True).content.decode()
    )
    aws.client("bedrock-agentcore-control").delete_agent_runtime(agentRuntimeId=runtime_id)

    assert "AWS has no such runtime" in admin.post(test, follow=True).content.decode()
