"""An agent's versions on the admin site: how they differ, rolling back, and copying the newest."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents import services
from agents.configuration import Configuration
from agents.models import Agent
from tests.agents.conftest import ADMIN, configured, make_agent, recorded

pytestmark = pytest.mark.django_db


def versions_of(agent: Agent) -> str:
    return reverse("admin:agents_agent_versions", args=[agent.pk])


def roll_back(agent: Agent, number: int) -> str:
    return reverse("admin:agents_agent_roll_back", args=[agent.pk, number])


def words(page: Any) -> str:
    text = re.sub(r"<[^>]*>", " ", page.content.decode())
    return re.sub(r"\s+", " ", html.unescape(text))


@pytest.fixture
def changed(concierge: Agent) -> Agent:
    """An agent whose second version lets another client in, and nobody by audience."""
    asked = configured(allowed_clients=("portal", "cli"), allowed_audience=("agents",))
    services.agent_configure(agent=concierge, asked=asked, actor=ADMIN)
    return concierge


def said_by(agent: Agent, number: int) -> Configuration:
    return Configuration.of(agent.versions.get(number=number))


def test_each_version_says_what_it_changed_and_who_points_at_it(
    admin: Client, changed: Agent
) -> None:
    services.endpoint_create(agent=changed, name="stable", number=1, actor=ADMIN)

    page = admin.get(versions_of(changed))

    newest, oldest = page.context["entries"]
    assert (newest.version.number, newest.endpoints) == (2, ["DEFAULT"])
    assert [(each.name, each.before, each.after) for each in newest.differences] == [
        ("Allowed audiences", [], ["agents"]),
        ("Allowed clients", ["portal"], ["portal", "cli"]),
    ]
    assert (oldest.version.number, oldest.endpoints, oldest.differences) == (1, ["stable"], [])
    assert "Roll back to version 1" in words(page)
    assert "Roll back to version 2" not in words(page)


def test_rolling_back_makes_a_new_version_that_says_what_the_old_one_said(
    admin: Client, changed: Agent
) -> None:
    shown = admin.get(roll_back(changed, 1))
    assert "before: agents after: nothing" in words(shown)
    assert changed.versions.count() == 2

    answer = admin.post(roll_back(changed, 1), follow=True)

    assert answer.redirect_chain[-1][0] == versions_of(changed)
    assert "Version 3 is in force." in words(answer)
    assert said_by(changed, 3) == said_by(changed, 1) != said_by(changed, 2)
    assert recorded()[-1][0] == "admin.agent.configured"


def test_rolling_back_to_what_is_said_already_makes_none(admin: Client, changed: Agent) -> None:
    assert "says the same already" in words(admin.get(roll_back(changed, 2)))

    admin.post(roll_back(changed, 2))

    assert changed.versions.count() == 2


def test_rolling_back_does_not_drop_the_authorizer(admin: Client, concierge: Agent) -> None:
    keys = configured(auth_mode="SIGV4", discovery_url="", allowed_clients=())
    for asked in (keys, configured()):
        services.agent_configure(
            agent=concierge, asked=asked, actor=ADMIN, may_drop_authorizer=True
        )

    answer = admin.post(roll_back(concierge, 2), follow=True)

    assert "People's tokens would not be checked any more" in words(answer)
    assert concierge.versions.count() == 3


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_version_of_another_agent_is_not_rolled_back_to(
    method: str, admin: Client, changed: Agent
) -> None:
    other = make_agent("greeter")

    assert getattr(admin, method)(roll_back(other, 2)).status_code == 404
    assert other.versions.count() == 1


def test_who_may_only_look_sees_the_versions_and_rolls_nothing_back(
    looker: Client, changed: Agent
) -> None:
    page = looker.get(versions_of(changed))

    assert page.status_code == 200
    assert "Roll back" not in words(page).replace("To roll back makes", "")
    assert looker.get(roll_back(changed, 1)).status_code == 403
    assert looker.post(roll_back(changed, 1)).status_code == 403
    assert changed.versions.count() == 2


def test_a_copy_begins_with_what_the_agent_says_and_is_nobodys(
    admin: Client, changed: Agent
) -> None:
    page = admin.get(reverse("admin:agents_agent_add", query={"copy": changed.pk}))

    assert f"Copy of {changed}" in words(page)
    assert "nobody's until you say so" in words(page)
    form = page.context["adminform"].form
    assert form["allowed_audience"].value() == "agents"
    assert form["allowed_clients"].value() == "portal\ncli"
    assert form["url"].value() == "http://127.0.0.1:8080"
    assert not form["name"].value()
    assert not form["allowed_groups"].value()
    assert not form["allow_everyone"].value()
    assert Agent.objects.count() == 1


@pytest.mark.parametrize("copied", ["0", "x", "", "99999999999999999999"])
def test_a_copy_of_none_is_an_empty_form(copied: str, admin: Client, db: None) -> None:
    page = admin.get(reverse("admin:agents_agent_add", query={"copy": copied}))

    assert page.status_code == 200
    assert not page.context["adminform"].form["url"].value()
