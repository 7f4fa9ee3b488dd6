"""What an agent may reach is ticked on its own form."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from agents.models import Agent, WorkloadIdentity
from core.models import AuditEvent, User
from tests.agents.conftest import make_agent, signed_in
from tests.agents.test_admin import form
from tests.vault.conftest import World
from vault.models import CredentialProvider, Grant

pytestmark = pytest.mark.django_db

ADD = "/admin/agents/agent/add/"


def change(agent: Agent) -> str:
    return reverse("admin:agents_agent_change", args=[agent.pk])


@pytest.fixture
def provider(world: World) -> CredentialProvider:
    """A service for those agents alone that it lists; none so far."""
    CredentialProvider.objects.update(any_workload=False)
    world.provider.refresh_from_db()
    world.provider.workloads.clear()
    return world.provider


def listed(provider: CredentialProvider) -> set[str]:
    return {each.agent_name for each in provider.workloads.all()}


def posted(agent: Agent, *, stood: list[Any], ticked: list[Any], **changed: Any) -> dict[str, Any]:
    typed = form(name=None, display_name=agent.display_name, **changed)
    return {**typed, "initial-services": stood, "services": ticked}


def test_a_new_agent_reaches_what_was_ticked_and_it_is_on_record(
    admin: Client, provider: CredentialProvider
) -> None:
    page = admin.get(ADD).content.decode()
    assert "Acme Calendar" in page.partition("4. What it may reach")[2]

    answer = admin.post(
        ADD, {**form(name="newest", display_name="Newest"), "services": [provider.pk]}
    )

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert listed(provider) == {"Newest"}
    event = AuditEvent.objects.filter(action="admin.provider.changed").latest("pk")
    identity = WorkloadIdentity.objects.get(agent__display_name="Newest")
    assert (event.provider, event.detail["workloads"]) == (provider.name, [identity.name])


def test_unticking_closes_it_for_that_agent_alone(
    admin: Client, provider: CredentialProvider
) -> None:
    one, other = make_agent("one"), make_agent("other")
    provider.workloads.set([one.workload_identity, other.workload_identity])

    admin.post(change(one), posted(one, stood=[provider.pk], ticked=[]))

    assert listed(provider) == {other.display_name}


def test_what_somebody_else_opened_since_the_page_was_made_stays(
    admin: Client, provider: CredentialProvider
) -> None:
    agent = make_agent("one")
    provider.workloads.set([agent.workload_identity])

    admin.post(change(agent), posted(agent, stood=[], ticked=[]))

    assert listed(provider) == {agent.display_name}


def test_a_service_that_is_open_to_all_is_not_changed(
    admin: Client, provider: CredentialProvider
) -> None:
    CredentialProvider.objects.update(any_workload=True)
    agent = make_agent("one")

    answer = admin.post(change(agent), posted(agent, stood=[], ticked=[provider.pk]))

    assert "services" in answer.context["adminform"].form.errors
    assert listed(provider) == set()


def test_who_may_not_change_services_neither_sees_nor_sends_them(
    bob: User, provider: CredentialProvider
) -> None:
    agent = make_agent("one")
    bob.is_staff = True
    bob.save()
    may = ("view_agent", "change_agent")
    bob.user_permissions.set(Permission.objects.filter(codename__in=may))
    browser = signed_in(bob)
    url = change(agent)

    assert "4. What it may reach" not in browser.get(url).content.decode()
    answer = browser.post(url, posted(agent, stood=[], ticked=[provider.pk]))

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert listed(provider) == set()


def test_before_it_is_saved_it_is_shown_what_it_could_ask_for_and_what_no_longer(
    admin: Client, bob: User, world: World
) -> None:
    CredentialProvider.objects.update(any_workload=False)
    provider, agent, other = world.provider, make_agent("one"), make_agent("other")
    provider.workloads.set([world.identity])
    world.grant(bob)
    Grant.objects.update(workload_identity=agent.workload_identity)
    provider.workloads.set([agent.workload_identity])
    url = reverse("admin:agents_agent_preview", args=[agent.pk])

    closed = admin.post(url, posted(agent, stood=[provider.pk], ticked=[])).content.decode()
    opened = admin.post(
        reverse("admin:agents_agent_preview", args=[other.pk]),
        posted(other, stood=[], ticked=[provider.pk]),
    ).content.decode()
    same = admin.post(url, posted(agent, stood=[provider.pk], ticked=[provider.pk]))

    assert "It could not ask people any more for" in closed
    assert "<li>Acme Calendar: 1 person connected it</li>" in closed
    assert "It could ask people for" in opened
    assert "<li>Acme Calendar</li>" in opened
    assert "Nobody would win or lose access" in same.content.decode()
    assert listed(provider) == {agent.display_name}
