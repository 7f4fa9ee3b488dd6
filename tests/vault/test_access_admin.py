"""“Who may do what” on the admin site: each of its pages says what is, and why."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import Agent, WorkloadIdentity
from agents.policies import stored
from core.models import User
from tests.agents.conftest import make_agent
from tests.vault.conftest import ADMIN, World
from vault.models import CredentialProvider

pytestmark = pytest.mark.django_db


def access(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_access", args=[row.pk])


def rows(page: Any) -> list[list[str]]:
    """Return the words of each cell of the tables."""
    found = []
    _, shown = page.content.decode().split('class="access"')
    for row in re.findall(r"<tr>(.*?)</tr>", shown, re.DOTALL):
        cells = re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.DOTALL)
        words = (html.unescape(re.sub(r"<[^>]*>", " ", cell)).split() for cell in cells)
        found.append([" ".join(each) for each in words])
    return found


@pytest.fixture
def agent(world: World) -> Agent:
    return Agent.objects.get(workload_identity=world.identity)


def test_of_a_person(admin: Client, world: World, alice: User, agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(allow_everyone=True)
    make_agent("writer")
    world.grant(alice)

    page = admin.get(access(alice))

    assert rows(page)[1:] == [
        ["Concierge", "yes", "open to everyone", "Acme Calendar connected"],
        ["Writer", "no", "no rule opens it to them", "-"],
    ]


def test_of_a_person_whose_account_is_off(
    admin: Client, world: World, alice: User, agent: Agent
) -> None:
    Agent.objects.filter(pk=agent.pk).update(allow_everyone=True)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    [_head, row] = rows(admin.get(access(alice)))

    assert row[1:3] == ["no", "the account is switched off open to everyone"]


def test_of_an_agent(admin: Client, world: World, alice: User, bob: User, agent: Agent) -> None:
    agent.allowed_users.set([alice])
    Agent.objects.filter(pk=agent.pk).update(allow_everyone=False)
    world.grant(alice)

    page = admin.get(access(agent))
    searched = admin.get(access(agent), {"q": "bob"})

    assert "1 person may use it" in page.content.decode()
    named, reach = [row for row in rows(page) if row[0] in {"Alice", "Acme Calendar"}]
    assert named == ["Alice", "named there"]
    assert reach == ["Acme Calendar", "on", "the provider names it", "1"]
    assert "Nobody of that name may use it." in searched.content.decode()


def test_of_a_provider(admin: Client, world: World, alice: User, bob: User) -> None:
    world.grant(alice)
    WorkloadIdentity.objects.create(name="nightly", enabled=False)
    CredentialProvider.objects.update(any_workload=True)

    page = admin.get(access(world.provider))

    told = {row[0]: row[1:] for row in rows(page)[1:]}
    assert told["Concierge"] == ["on", "the provider is open to every agent", "1"]
    assert told["nightly"] == ["off", "the provider is open to every agent", "0"]


def test_a_resource_policy_is_told_of(admin: Client, alice: User, agent: Agent) -> None:
    said = "resource policy"
    assert said not in admin.get(access(agent)).content.decode()
    stored.policy_put(
        resource_arn=agent.arn,
        text='{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",'
        f'"Action":"bedrock-agentcore:InvokeAgentRuntime","Resource":"{agent.arn}"}}]}}',
        actor=ADMIN,
    )

    for row in (agent, alice):
        assert said in admin.get(access(row)).content.decode()


def test_a_long_list_of_people_has_pages(admin: Client, agent: Agent) -> None:
    User.objects.bulk_create(
        User(username=f"u{n}", iss="https://idp.example", sub=f"u{n}", name=f"Person {n:03}")
        for n in range(150)
    )
    Agent.objects.filter(pk=agent.pk).update(allow_everyone=True)

    first, last = (admin.get(access(agent), {"p": p, "q": "Person"}) for p in (1, 2))

    assert "150 people may use it" in first.content.decode()
    assert ["Person 099", "open to everyone"] in rows(first)
    assert ["Person 100", "open to everyone"] not in rows(first)
    assert ["Person 149", "open to everyone"] in rows(last)


def test_as_many_agents_as_there_are_take_no_more_queries(
    admin: Client, alice: User, world: World
) -> None:
    page = access(alice)
    admin.get(page)
    with CaptureQueriesContext(connection) as before:
        admin.get(page)
    for n in range(5):
        make_agent(f"more{n}", everyone=True)
    with CaptureQueriesContext(connection) as after:
        admin.get(page)

    assert len(after) == len(before)


@pytest.mark.parametrize("lacking", ["view_agent", "view_user", "view_grant"])
def test_who_may_not_look_at_all_that_it_tells_of_sees_none_of_it(
    admin: Client, bob: User, agent: Agent, lacking: str
) -> None:
    User.objects.filter(pk=bob.pk).update(is_superuser=False)
    bob.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    assert admin.get(access(agent)).status_code == 200

    bob.user_permissions.remove(Permission.objects.get(codename=lacking))

    for row in (agent, bob, CredentialProvider.objects.get()):
        assert admin.get(access(row)).status_code == 403


def test_nothing_of_it_is_changed_by_a_post(admin: Client, world: World) -> None:
    assert admin.post(access(world.provider)).status_code == 405
