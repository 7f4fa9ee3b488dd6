from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group

from agents.selectors import agents_usable_by
from core.models import User
from tests.agents.conftest import make_agent

pytestmark = pytest.mark.django_db


def named(user: User) -> list[str]:
    return [agent.name for agent in agents_usable_by(user)]


def test_everyone_a_group_and_a_person_are_three_ways_in(
    alice: User, bob: User, charlie: User, staff: Group
) -> None:
    make_agent("open", everyone=True)
    make_agent("shared", groups=[staff])
    make_agent("own", people=[alice])
    make_agent("closed")
    bob.groups.add(staff)

    assert named(alice) == ["open", "own"]
    assert named(bob) == ["open", "shared"]
    assert named(charlie) == ["open"]


def test_an_agent_that_is_open_in_three_ways_is_there_once(bob: User, staff: Group) -> None:
    other = Group.objects.create(name="other")
    bob.groups.add(staff, other)
    make_agent("a", everyone=True, groups=[staff, other], people=[bob])

    assert named(bob) == ["a"]


def test_it_is_one_query(bob: User, staff: Group, django_assert_num_queries: Any) -> None:
    bob.groups.add(staff)
    for name in ("a", "b", "c"):
        make_agent(name, groups=[staff])

    with django_assert_num_queries(1):
        assert len(named(bob)) == 3


def test_an_agent_that_is_switched_off_is_still_for_the_person(bob: User) -> None:
    make_agent("a", people=[bob], enabled=False)

    assert named(bob) == ["a"]


def test_a_person_who_was_switched_off_may_use_nothing(bob: User) -> None:
    make_agent("open", everyone=True)
    bob.is_active = False

    assert named(bob) == []
