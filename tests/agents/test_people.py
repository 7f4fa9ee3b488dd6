from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from agents.people import OwnAccount, group_create, person_switch
from core.audit import Actor
from core.models import AuditEvent, User
from tests.agents.conftest import recorded

pytestmark = pytest.mark.django_db


def test_an_account_is_switched_on_record_once(alice: User, bob: User) -> None:
    for active in (False, False, True):
        person_switch(person=bob, active=active, actor=Actor.person(alice))
        assert User.objects.get(pk=bob.pk).is_active is bob.is_active is active

    assert [action for action, *_ in recorded()] == [
        "admin.person.disabled",
        "admin.person.enabled",
    ]
    event = AuditEvent.objects.earliest("pk")
    assert (event.actor, event.subject_sub) == ("Alice", "alice")
    assert event.detail == {"iss": bob.iss, "sub": "bob"}


def test_nobody_switches_off_their_own_account(alice: User) -> None:
    with pytest.raises(OwnAccount):
        person_switch(person=alice, active=False, actor=Actor.person(alice))

    assert User.objects.get(pk=alice.pk).is_active
    assert recorded() == []


def test_a_group_is_made_on_record(alice: User) -> None:
    group = group_create(name="staff", actor=Actor.person(alice))

    assert list(Group.objects.all()) == [group]
    assert AuditEvent.objects.get().detail == {"group": "staff"}
