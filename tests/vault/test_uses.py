"""What was used on somebody's behalf during a call: as the audit trail has it, and theirs alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from agents import workload
from core.models import User
from core.secret import Secret
from tests.vault.conftest import World
from vault.asked.scopes import ScopeInWords
from vault.holdings.uses import Use, uses

CALL = "0123456789abcdef0123"
ACME = Use("Acme Calendar", [ScopeInWords("calendar.read", "See your calendar")])


def used(person: User, *, invocation: str = CALL, seconds_ago: int = 0) -> list[Use]:
    until = timezone.now() - timedelta(seconds=seconds_ago)
    since = until - timedelta(seconds=30)
    return uses(subject=person.subject, invocation=invocation, since=since, until=until)


def during(world: World, person: User, invocation: str = CALL) -> Secret:
    """Return the token that the agent has while it is called."""
    return workload.issue(
        workload_id=world.identity.pk,
        workload_name=world.identity.name,
        subject=person.subject,
        invocation=invocation,
    )


@pytest.fixture
def granted(world: World, alice: User, bob: User) -> World:
    world.grant(alice)
    world.token(alice, unverified_token=during(world, alice))
    world.token(alice, unverified_token=during(world, alice))
    return world


def test_a_token_that_was_read_during_a_call_is_a_use_in_words(granted: World, alice: User) -> None:
    assert used(alice) == [ACME]
    with translation.override("ja"):
        assert used(alice)[0].scopes == [ScopeInWords("calendar.read", "予定を見る")]


def test_nobody_elses_use_is_told(granted: World, bob: User) -> None:
    assert used(bob) == []


def test_nor_that_of_another_call_or_of_another_time(granted: World, alice: User) -> None:
    granted.token(alice)

    assert used(alice, invocation="another") == []
    assert used(alice, seconds_ago=40) == []
    assert used(alice) == [ACME]


def test_what_was_refused_was_not_used(world: World, alice: User) -> None:
    world.wait(alice, unverified_token=during(world, alice))

    assert used(alice) == []


def test_a_provider_that_is_gone_is_told_by_the_name_that_it_had(
    granted: World, alice: User
) -> None:
    granted.provider.name = "renamed"
    granted.provider.save(update_fields=["name"])

    assert used(alice) == [Use("acme", [ScopeInWords("calendar.read", "")])]
