"""An admin sees an agent as a chosen person does, without doing anything in their name."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from agents import services
from agents.configuration import Configuration
from agents.models import Agent, AgentVersion
from core.models import AuditEvent, User
from portal.as_person import agent_as_seen
from tests.agents.conftest import ADMIN, make_agent, person, signed_in
from tests.portal.holding import calendar, connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(db: None) -> User:
    return person("bob")


@pytest.fixture
def agent(settings: Settings) -> Agent:
    """An agent for everybody of this site."""
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
    settings.OIDC_RP_CLIENT_ID = "portal"
    made = make_agent(everyone=True)
    say(made, allowed_clients=("portal",))
    return made


@pytest.fixture
def admin(db: None) -> Client:
    alice = person("alice")
    alice.is_staff = alice.is_superuser = True
    alice.save()
    return signed_in(alice)


def say(agent: Agent, **changed: Any) -> None:
    """Make a version that says something else."""
    asked = {
        "url": "http://127.0.0.1:9",
        "discovery_url": "https://idp.example/.well-known/openid-configuration",
        **changed,
    }
    services.agent_configure(
        agent=agent, asked=Configuration(**asked), actor=ADMIN, may_drop_authorizer=True
    )


def problems(agent: Agent, who: User) -> list[str]:
    """Return what keeps the person from it; that nothing does is that the agent is shown."""
    seen = agent_as_seen(Agent.objects.get(pk=agent.pk), by=User.objects.get(pk=who.pk))
    found = [str(finding) for finding in seen.findings if not finding.ok]
    assert seen.is_shown is (not found), found
    return found


def page_of(agent: Agent, **query: Any) -> str:
    return reverse("admin:agents_agent_seen", args=[agent.pk], query=query)


def test_nothing_keeps_somebody_from_an_agent_for_everybody(agent: Agent, bob: User) -> None:
    assert problems(agent, bob) == []


def test_each_thing_that_keeps_somebody_from_it_is_told(agent: Agent, bob: User) -> None:
    Agent.objects.update(allow_everyone=False)
    assert "No rule opens the agent" in problems(agent, bob)[0]
    Agent.objects.update(allow_everyone=True, enabled=False)
    assert "switched off" in problems(agent, bob)[0]
    Agent.objects.update(enabled=True)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert "The account is switched off." in problems(agent, bob)[0]


def test_an_agent_of_an_issuer_that_is_none_of_this_sites_is_shown_and_told_so(
    agent: Agent, bob: User
) -> None:
    elsewhere = "https://elsewhere.example/.well-known/openid-configuration"
    say(agent, discovery_url=elsewhere, allowed_clients=("portal",))

    assert problems(agent, bob) == []


def test_somebody_whose_provider_is_gone_is_shown_no_agent(agent: Agent, bob: User) -> None:
    User.objects.update(iss="https://gone.example")

    assert "none of this site's identity providers" in problems(agent, bob)[0]


@pytest.mark.parametrize(
    "said, words",
    [
        ({"allowed_clients": ("other",)}, "This site's client “portal” is not among"),
        ({"protocol": AgentVersion.Protocol.MCP, "allowed_clients": ("portal",)}, "for programs"),
        ({"auth_mode": "SIGV4", "discovery_url": ""}, "for programs"),
    ],
)
def test_what_its_version_says_keeps_everybody_from_it(
    said: dict[str, Any], words: str, agent: Agent, bob: User
) -> None:
    say(agent, **said)

    [problem] = problems(agent, bob)
    assert words in problem


def test_the_page_shows_the_card_and_what_was_connected_and_does_nothing(
    admin: Client, agent: Agent, bob: User
) -> None:
    provider = calendar()
    provider.workloads.add(agent.workload_identity)
    before = AuditEvent.objects.count()

    asked = admin.get(page_of(agent, person=bob.pk)).content.decode()
    connected(bob, agent, provider)
    known = admin.get(page_of(agent, person=bob.pk)).content.decode()

    assert "Bob sees it" in asked
    assert "They are asked first, in the chat." in asked
    assert "They have said yes" in known
    assert "Ask it something" not in known
    assert AuditEvent.objects.count() == before
    assert admin.post(page_of(agent, person=bob.pk)).status_code == 405


def test_people_are_found_and_an_admin_may_ask_it_themself(
    admin: Client, agent: Agent, bob: User
) -> None:
    alice = User.objects.get(sub="alice")

    named = admin.get(page_of(agent, q="bo")).content.decode()
    own = admin.get(page_of(agent, person=alice.pk)).content.decode()
    nobody = admin.get(page_of(agent, person="9" * 30)).content.decode()

    assert f"?person={bob.pk}" in named
    assert f"?person={alice.pk}" not in named
    assert reverse("portal:chat_new", args=[agent.agent_id]) in own
    assert "Choose a person" in nobody
