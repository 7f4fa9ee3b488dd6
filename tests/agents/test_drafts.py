"""An agent's form is tried step by step before it is saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from agents.models import Agent, AgentVersion
from core.models import AuditEvent, User
from tests.agents.conftest import make_agent, recorded, signed_in
from tests.agents.small_agent import Call, SmallAgent, small_agent
from tests.agents.test_admin import form
from tests.fixtures.issuer import DISCOVERY, Issuer

pytestmark = pytest.mark.django_db

ADD = "/admin/agents/agent/add/"


def change(agent: Agent) -> str:
    return reverse("admin:agents_agent_change", args=[agent.pk])


def healthy(call: Call) -> None:
    call.answer({"status": "Healthy"})


@pytest.fixture
def upstream(settings: Any) -> Iterator[SmallAgent]:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    with small_agent() as running:
        running.behaviour = healthy
        yield running


def tried(page: Any) -> list[str]:
    """Return what the tried step says."""
    told = page.context["adminform"].form.tried
    return [str(finding) for finding in told.findings] if told else []


def test_where_it_runs_is_tested_and_nothing_else_is_asked_or_saved(
    admin: Client, upstream: SmallAgent
) -> None:
    before = recorded()

    typed = form(_try="runs", name=None, display_name="", url=upstream.url, discovery_url="")
    page = admin.post(ADD, {**typed, "_save": "Save"})

    assert page.status_code == 200
    assert tried(page) == ["The agent answers and is healthy."]
    shown = page.content.decode()
    assert f'value="{upstream.url}"' in shown
    assert "errornote" not in shown
    assert "Nothing is saved yet." in shown
    assert Agent.objects.count() == 0
    assert recorded() == [*before, ("admin.agent.tried", "allowed", "")]


def test_a_sign_in_that_is_too_old_has_nobody_asked(
    alice: User, admin: Client, upstream: SmallAgent
) -> None:
    page = signed_in(alice, fresh=False).post(ADD, form(_try="runs", url=upstream.url))

    assert tried(page) == []
    assert "Sign in again" in page.content.decode()
    assert upstream.calls == []


@pytest.mark.django_db(transaction=True)
def test_which_server_is_asked_is_on_record_before_and_no_transaction_waits_for_it(
    admin: Client, upstream: SmallAgent
) -> None:
    known: list[int] = []

    def behaviour(call: Call) -> None:
        known.append(AuditEvent.objects.filter(action="admin.agent.tried").count())
        connection.close()  # that of the thread on which the agent answers
        call.answer({"status": "Healthy"})

    upstream.behaviour = behaviour
    admin.post(ADD, form(_try="runs", url=f"{upstream.url}/a-secret-path"))

    assert known == [1]
    event = AuditEvent.objects.get(action="admin.agent.tried")
    server = upstream.url.removeprefix("http://")
    assert (event.actor, event.detail) == ("Alice", {"step": "runs", "server": server})


def test_a_change_is_tried_without_a_new_version(admin: Client, upstream: SmallAgent) -> None:
    agent = make_agent("a", url="http://127.0.0.1:9")

    page = admin.post(change(agent), form(_try="runs", url=upstream.url, _save="Save"))

    assert tried(page) == ["The agent answers and is healthy."]
    assert [version.url for version in AgentVersion.objects.all()] == ["http://127.0.0.1:9"]


def test_what_is_wrong_in_the_step_is_said_and_nobody_is_asked(
    admin: Client, upstream: SmallAgent, settings: Any
) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = []

    page = admin.post(ADD, form(_try="runs", url=upstream.url))

    assert tried(page) == []
    assert list(page.context["adminform"].form.errors) == ["url"]
    assert upstream.calls == []


def test_the_issuer_is_asked_and_its_scopes_are_added_by_a_tick(
    admin: Client, issuer: Issuer, settings: Any
) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    settings.OIDC_RP_CLIENT_ID = "portal"
    issuer.metadata["scopes_supported"] = ["openid", "<b>", "mail.read", 7, "bad\n"]
    typed = form(discovery_url=issuer.url + DISCOVERY, allowed_scopes="openid\n", url="")

    page = admin.post(ADD, {**typed, "_try": "callers"})

    assert tried(page) == [
        f"The issuer is {issuer.url}.",
        "It publishes 1 key to check tokens with.",
    ]
    offered = re.findall(r'name="allowed_scopes-offered" value="([^"]*)"', page.content.decode())
    assert offered == ["&lt;b&gt;", "mail.read"]

    typed |= {"url": "https://a.example", "allowed_scopes-offered": ["mail.read", "openid"]}
    assert admin.post(ADD, typed).status_code == 302
    assert AgentVersion.objects.get().allowed_scopes == ["openid", "mail.read"]


def test_an_issuer_that_is_away_is_told_of(admin: Client, issuer: Issuer, settings: Any) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    issuer.routes.clear()

    page = admin.post(ADD, form(discovery_url=issuer.url + "/x" + DISCOVERY, _try="callers"))

    assert "answers with status 404" in tried(page)[0]


def test_an_agent_is_for_the_people_of_this_site_unless_somebody_says_otherwise(
    admin: Client, settings: Any
) -> None:
    settings.OIDC_RP_CLIENT_ID = "the-portal"

    initial = admin.get(ADD).context["adminform"].form.initial

    discovery = "https://idp.example/.well-known/openid-configuration"
    assert (initial["discovery_url"], initial["allowed_clients"]) == (discovery, ["the-portal"])


def test_whoever_may_only_look_tries_nothing(looker: Client, upstream: SmallAgent) -> None:
    agent = make_agent("a")

    for url in (ADD, change(agent)):
        assert looker.post(url, form(_try="runs", url=upstream.url)).status_code == 403
    assert upstream.calls == []
