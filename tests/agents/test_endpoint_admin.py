"""Endpoints on an agent's page of the admin site."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from agents import services
from agents.models import Agent, AgentEndpoint
from core.models import AuditEvent
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.test_admin import form, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(concierge: Agent) -> Agent:
    """The concierge with two versions, the first of which an endpoint serves."""
    services.agent_configure(agent=concierge, asked=configured(path="/v2"), actor=ADMIN)
    services.endpoint_create(agent=concierge, name="live", number=1, actor=ADMIN)
    return concierge


@pytest.fixture
def other(db: None) -> Agent:
    return make_agent("greeter")


def sent(admin: Client, agent: Agent, *rows: dict[str, Any]) -> Any:
    """Return the answer to the agent's page, sent with these rows of endpoints."""
    typed = form(name=None, display_name=agent.display_name, path="/v2")
    known = sum("id" in row for row in rows)
    typed |= {"endpoints-TOTAL_FORMS": str(len(rows)), "endpoints-INITIAL_FORMS": str(known)}
    for number, row in enumerate(rows):
        typed |= {f"endpoints-{number}-{name}": value for name, value in row.items()}
        typed[f"endpoints-{number}-agent"] = agent.pk
    return admin.post(page_of(agent), typed, follow=True)


def row(agent: Agent, called: str, **typed: Any) -> dict[str, Any]:
    endpoint = agent.endpoints.get(name=called)
    version = {"version": endpoint.version_id} if endpoint.version_id else {}
    return {"id": endpoint.pk, **version, "description": endpoint.description, **typed}


def version(agent: Agent, number: int) -> int:
    return int(agent.versions.get(number=number).pk)


def done() -> list[str]:
    events = AuditEvent.objects.filter(action__startswith="admin.endpoint.").order_by("pk")
    return [event.action.rpartition(".")[2] for event in events][1:]


def test_an_endpoint_is_added_pinned_and_deleted_on_record(admin: Client, agent: Agent) -> None:
    new = {"name": "beta", "version": "", "description": "For those who test."}
    sent(admin, agent, row(agent, "DEFAULT"), row(agent, "live"), new)
    beta = agent.endpoints.get(name="beta")
    assert beta.version is not None
    assert (beta.version.number, beta.description) == (2, "For those who test.")

    moved = row(agent, "live", version=version(agent, 2))
    sent(admin, agent, row(agent, "DEFAULT"), moved, row(agent, "beta", DELETE="on"))
    live = agent.endpoints.get(name="live")
    assert live.version is not None
    assert live.version.number == 2
    assert not agent.endpoints.filter(name="beta").exists()

    assert done() == ["created", "deleted", "changed"]
    assert agent.versions.count() == 2
    last = AuditEvent.objects.get(action="admin.endpoint.changed")
    assert (last.actor, last.detail) == ("Alice", {"endpoint": "live", "version": 2})


def test_what_was_not_changed_is_not_on_record(admin: Client, agent: Agent) -> None:
    sent(admin, agent, row(agent, "DEFAULT"), row(agent, "live"))

    assert done() == []


def test_the_default_endpoint_stays_as_it_is(admin: Client, agent: Agent) -> None:
    forged = row(agent, "DEFAULT", version=version(agent, 1), name="other", DELETE="on")

    sent(admin, agent, forged, row(agent, "live", name="other"))

    assert {e.name: e.version_id for e in agent.endpoints.all()} == {
        "DEFAULT": None,
        "live": version(agent, 1),
    }


@pytest.mark.parametrize("name", ["live", "DEFAULT", "1st", "a b", ""])
def test_a_name_that_cannot_be_or_is_taken_makes_none(
    admin: Client, agent: Agent, name: str
) -> None:
    new = {"name": name, "version": version(agent, 1), "description": "x"}

    response = sent(admin, agent, row(agent, "DEFAULT"), row(agent, "live"), new)

    assert response.redirect_chain == []
    assert AgentEndpoint.objects.count() == 2
    assert done() == []


def test_a_version_of_another_agent_is_none_to_pin(
    admin: Client, agent: Agent, other: Agent
) -> None:
    foreign = row(agent, "live", version=version(other, 1))

    response = sent(admin, agent, row(agent, "DEFAULT"), foreign)

    assert response.redirect_chain == []
    assert done() == []


def test_a_row_for_another_one_begins_empty_and_adds_nothing(admin: Client, agent: Agent) -> None:
    (formset,) = [
        inline.formset
        for inline in admin.get(page_of(agent)).context["inline_admin_formsets"]
        if inline.formset.model is AgentEndpoint
    ]
    assert formset.empty_form["name"].value() == ""

    empty = {"name": "", "version": "", "description": ""}
    sent(admin, agent, row(agent, "DEFAULT"), row(agent, "live"), empty)

    assert done() == []


def test_who_may_only_look_changes_nothing(looker: Client, agent: Agent) -> None:
    page = looker.get(page_of(agent)).content.decode()
    assert "live" in page
    assert "endpoints-TOTAL_FORMS" not in page or 'name="endpoints-0-description"' not in page

    response = sent(looker, agent, row(agent, "DEFAULT"), row(agent, "live", DELETE="on"))

    assert response.status_code == 403
    assert agent.endpoints.count() == 2
