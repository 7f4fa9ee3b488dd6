"""Many rows, each changed to columns of its own, and only while it stands as it was seen."""

from __future__ import annotations

import pytest

from core.fenced import Change, update_each
from core.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> list[User]:
    """Three people, each with a name of their own."""
    return [
        User.objects.create(username=name, iss="https://idp.example", sub=name, name=name)
        for name in ("alice", "bob", "charlie")
    ]


def names() -> list[str]:
    return list(User.objects.order_by("pk").values_list("name", flat=True))


def test_each_row_gets_columns_of_its_own(people: list[User]) -> None:
    changes = [Change(p.pk, {"name": p.name}, {"name": p.name.upper()}) for p in people]

    assert update_each(User, changes) == {p.pk for p in people}
    assert names() == ["ALICE", "BOB", "CHARLIE"]


def test_a_row_that_is_not_as_it_was_seen_stays_and_is_not_among_the_changed(
    people: list[User],
) -> None:
    User.objects.filter(pk=people[1].pk).update(name="robert")
    changes = [Change(p.pk, {"name": p.name}, {"name": "changed"}) for p in people]

    assert update_each(User, changes) == {people[0].pk, people[2].pk}
    assert names() == ["changed", "robert", "changed"]


def test_rows_may_change_different_columns(people: list[User]) -> None:
    alice, bob, _charlie = people
    changes = [
        Change(alice.pk, {"is_active": True}, {"name": "a", "email": "a@example.com"}),
        Change(bob.pk, {"is_active": True, "name": "bob"}, {"is_active": False}),
    ]

    assert update_each(User, changes) == {alice.pk, bob.pk}
    assert names() == ["a", "bob", "charlie"]
    assert list(User.objects.filter(is_active=False)) == [bob]


def test_values_are_values_and_never_a_part_of_the_statement(people: list[User]) -> None:
    odd = "'); DROP TABLE core_user; -- %s \\"
    changes = [Change(people[0].pk, {"name": "alice"}, {"name": odd})]

    assert update_each(User, changes) == {people[0].pk}
    assert names()[0] == odd


def test_nothing_to_change_asks_nothing() -> None:
    assert update_each(User, []) == set()
