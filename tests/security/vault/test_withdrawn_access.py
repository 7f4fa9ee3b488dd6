"""Who is switched off or shut out gets nothing more, also with what was issued to them before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from agents import workload
from agents.errors import AgentDisabled, PersonDisabled, PersonNotAdmitted, WorkloadDisabled
from agents.models import Agent, WorkloadIdentity
from core.models import User
from tests.vault.conftest import Expire, World, events
from vault import tasks
from vault.asked.wanted import ResourceToken
from vault.errors import ProviderDisabled
from vault.grants import keeping
from vault.grants.renewal import grant_refresh
from vault.models import CredentialProvider, Grant
from vault.token_read import Waiting

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff(concierge: WorkloadIdentity) -> Group:
    """The only group that may use the concierge."""
    group = Group.objects.create(name="staff")
    agent = Agent.objects.get()
    agent.allowed_groups.add(group)
    Agent.objects.update(allow_everyone=False)
    return group


def _read(world: World, person: User, *groups: str) -> ResourceToken | Waiting:
    """Ask with the token that an agent got when it was called for `person`, being in `groups`."""
    token = workload.issue(
        workload_id=world.identity.pk,
        workload_name=world.identity.name,
        subject=person.subject,
        groups=frozenset(groups),
    )
    return world.read(person, unverified_token=token)


def _shut_out(group: Group) -> None:
    Agent.objects.get().allowed_groups.remove(group)


def test_an_agent_gets_the_token_of_somebody_it_is_for(
    world: World,
    staff: Group,
    alice: User,
) -> None:
    world.grant(alice)

    assert isinstance(_read(world, alice, "staff"), ResourceToken)


def test_an_agent_gets_nothing_of_somebody_it_is_no_longer_for(
    world: World,
    staff: Group,
    alice: User,
) -> None:
    world.grant(alice)
    _shut_out(staff)

    with pytest.raises(PersonNotAdmitted):
        _read(world, alice, "staff")

    assert not events("vault.token.released")
    [refused] = events("vault.token.refused")
    assert (refused.reason, refused.subject_sub) == ("person_not_admitted", "alice")


def test_a_group_that_let_nobody_in_lets_nobody_stay(
    world: World,
    staff: Group,
    alice: User,
) -> None:
    world.grant(alice)

    with pytest.raises(PersonNotAdmitted):
        _read(world, alice, "others")


def test_whoever_is_named_stays_without_the_group(
    world: World,
    staff: Group,
    alice: User,
    bob: User,
) -> None:
    for person in (alice, bob):
        world.grant(person)
    _shut_out(staff)
    Agent.objects.get().allowed_users.add(alice)

    assert isinstance(_read(world, alice, "staff"), ResourceToken)
    with pytest.raises(PersonNotAdmitted):
        _read(world, bob, "staff")


def _agent_off() -> None:
    Agent.objects.update(enabled=False)


def _workload_off() -> None:
    WorkloadIdentity.objects.update(enabled=False)


def _person_off() -> None:
    User.objects.update(is_active=False)


def _provider_off() -> None:
    CredentialProvider.objects.update(enabled=False)


@pytest.mark.parametrize(
    ("switch_off", "refusal"),
    [
        (_agent_off, AgentDisabled),
        (_workload_off, WorkloadDisabled),
        (_person_off, PersonDisabled),
        (_provider_off, ProviderDisabled),
    ],
)
def test_a_provider_that_takes_its_time_wins_nobody_a_token(
    switch_off: Callable[[], None],
    refusal: type[Exception],
    world: World,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grant = world.grant(alice)
    Grant.objects.update(access_expires_at="2020-01-01T00:00:00Z")

    def slowly(*, grant: Grant) -> Grant:
        fresh = grant_refresh(grant=grant)
        switch_off()  # while the answer was on its way
        return fresh

    monkeypatch.setattr(keeping, "grant_refresh", slowly)

    with pytest.raises(refusal):
        world.read(alice)

    assert Grant.objects.get(pk=grant.pk).generation > grant.generation
    assert not events("vault.token.released")


@pytest.mark.parametrize("switch_off", [_agent_off, _workload_off, _person_off, _provider_off])
def test_nothing_is_refreshed_ahead_for_what_is_switched_off(
    switch_off: Callable[[], None],
    world: World,
    alice: User,
    expire: Expire,
) -> None:
    expire(world.grant(alice))
    switch_off()

    tasks.refresh_due.run()

    assert world.there.refreshes == 0


def test_what_is_switched_on_again_is_refreshed_for_its_next_reader(
    world: World,
    alice: User,
    expire: Expire,
) -> None:
    expire(world.grant(alice))
    _agent_off()
    tasks.refresh_due.run()
    Agent.objects.update(enabled=True)

    assert isinstance(world.read(alice), ResourceToken)

    assert world.there.refreshes == 1


def test_what_is_switched_on_again_is_refreshed_ahead_when_it_is_looked_at_again(
    world: World,
    alice: User,
    expire: Expire,
) -> None:
    expire(world.grant(alice))
    _agent_off()
    tasks.refresh_due.run()
    put_aside = Grant.objects.get()
    assert put_aside.next_refresh_at is not None
    assert put_aside.next_refresh_at < timezone.now() + timedelta(minutes=20)
    Agent.objects.update(enabled=True)
    Grant.objects.update(next_refresh_at=timezone.now())

    tasks.refresh_due.run()

    assert world.there.refreshes == 1
