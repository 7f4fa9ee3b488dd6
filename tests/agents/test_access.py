"""Who may use which agent, seen from above: what the gateway does, and what would change."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from agents import admission, services, snapshot
from agents.access import NOBODY, Opening, Rule, access_of, people_of
from agents.admission import Person
from agents.errors import AgentDisabled, AgentUnknown, PersonDisabled, WorkloadDisabled
from agents.models import Agent
from agents.models.registry import DEFAULT_ENDPOINT
from core.errors import AppError
from core.models import AuditEvent, User
from tests.agents.conftest import ADMIN, make_agent, recorded
from tests.agents.test_admin import form

_REFUSALS: dict[str | None, type[AppError] | None] = {
    None: None,
    "account": PersonDisabled,
    "users": AgentUnknown,
    "agent": AgentDisabled,
    "workload": WorkloadDisabled,
}


def preview(agent: Agent) -> str:
    return reverse("admin:agents_agent_preview", args=[agent.pk])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("active", [True, False])
def test_it_says_of_each_agent_what_a_call_of_it_meets(
    run: Callable[[Coroutine[Any, Any, Any]], Any], active: bool
) -> None:
    bob = User.objects.create(username="b", iss="https://idp.example", sub="bob", is_active=active)
    staff, other = Group.objects.create(name="staff"), Group.objects.create(name="other")
    bob.groups.add(staff, Group.objects.create(name="of no agent"))
    for n, (everyone, group, named, on, workload_on) in enumerate(
        itertools.product([False, True], repeat=5)
    ):
        groups, people = [other, *([staff] if group else [])], [bob] if named else []
        agent = make_agent(f"a{n}", everyone=everyone, groups=groups, people=people, enabled=on)
        agent.workload_identity.enabled = workload_on
        agent.workload_identity.save()

    async def met(agent: Agent) -> type[AppError] | None:
        deployed = await snapshot.deployed(agent.agent_id, DEFAULT_ENDPOINT)
        assert deployed is not None
        verified: Any = None  # the token is another question
        try:
            groups = frozenset({"staff", "of no agent"})
            await admission.authorize(Person(bob.subject, "Bob", groups, verified), deployed)
        except AppError as refused:
            return type(refused)
        return None

    found = access_of(bob)

    assert len(found) == 32
    for each in found:
        assert _REFUSALS[each.refused_at] == run(met(each.agent)), each


@pytest.mark.django_db
def test_every_rule_that_opens_it_is_told(bob: User, staff: Group) -> None:
    bob.groups.add(staff, Group.objects.create(name="night shift"))
    agent = make_agent(everyone=True, groups=Group.objects.all(), people=[bob])

    [found] = access_of(bob)
    [person] = people_of(Opening.of(agent))

    rules = [Rule("everyone"), Rule("group", "night shift"), Rule("group", "staff"), Rule("person")]
    assert list(found.rules) == list(Opening.of(agent).rules_for(person)) == rules


@pytest.mark.django_db
def test_nobody_is_told_of_twice_and_nobody_whose_account_is_off(
    alice: User, bob: User, charlie: User, staff: Group
) -> None:
    for person in (alice, bob):
        person.groups.add(staff, Group.objects.create(name=f"of {person}"))
    User.objects.filter(pk=bob.pk).update(is_active=False)
    agent = make_agent(groups=Group.objects.all(), people=[alice, bob])

    assert list(people_of(Opening.of(agent))) == [alice]
    assert list(people_of(NOBODY)) == []


@pytest.mark.django_db
def test_before_it_is_saved_it_is_shown_who_wins_and_who_loses(
    admin: Client, alice: User, bob: User, charlie: User, staff: Group
) -> None:
    bob.groups.add(staff)
    agent = make_agent(groups=[staff], people=[alice])
    before, versions = recorded(), agent.versions.count()
    typed = form(
        allowed_users=[str(charlie.pk), str(alice.pk)],
        allowed_clients="portal\ncli",
        name=None,
        display_name="<b>Other</b>",
    )

    page = admin.post(preview(agent), typed)

    assert page.status_code == 200
    assert (page.context["wins"], page.context["loses"]) == ((1, [charlie]), (1, [bob]))
    assert [each.name for each in page.context["differences"]] == ["Allowed clients"]
    assert "1 person could use it who cannot now" in page.content.decode()
    assert '<input type="hidden" name="display_name" value="&lt;b&gt;Other' in page.content.decode()
    assert recorded() == before
    assert agent.versions.count() == versions
    assert list(people_of(Opening.of(Agent.objects.get()))) == [alice, bob]

    kept: dict[str, list[str]] = {}
    for name, value in page.context["given"]:
        kept.setdefault(name, []).append(value)
    answer = admin.post(reverse("admin:agents_agent_change", args=[agent.pk]), kept)

    assert answer.status_code == 302
    assert list(people_of(Opening.of(Agent.objects.get()))) == [alice, charlie]
    assert Agent.objects.get().display_name == "<b>Other</b>"
    assert agent.versions.count() == versions + 1


@pytest.mark.django_db
def test_to_switch_it_off_is_shown_as_what_it_is(admin: Client, bob: User, charlie: User) -> None:
    agent = make_agent(people=[bob])

    off = admin.post(preview(agent), form(enabled=None, allowed_users=[bob.pk], name=None))
    services.agent_switch(agent=agent, enabled=False, actor=ADMIN)
    on = admin.post(preview(agent), form(allowed_users=[bob.pk, charlie.pk], name=None))

    assert (off.context["wins"], off.context["loses"]) == ((0, []), (1, [bob]))
    assert (on.context["wins"], on.context["loses"]) == ((2, [bob, charlie]), (0, []))


@pytest.mark.django_db
def test_what_could_not_be_saved_says_why(admin: Client) -> None:
    agent = make_agent()
    before = AuditEvent.objects.count()

    page = admin.post(preview(agent), form(url="ftp://x", name=None))

    assert "could not be saved" in page.content.decode()
    assert "<b>URL</b>" in page.content.decode()
    assert 'type="hidden" name="url"' not in page.content.decode()
    assert AuditEvent.objects.count() == before
    assert admin.get(preview(agent)).status_code == 405
