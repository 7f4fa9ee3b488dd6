"""What a person, and an admin, can see of a connection that has ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from core import oauth, refreshing
from core.audit import Actor
from core.key_errors import KeyUnavailable
from core.models import User
from core.secret import Secret
from tests.vault.conftest import ADMIN, World, events
from vault.ending import revocations
from vault.ending.revocations import grant_revoke
from vault.grants import renewal
from vault.holdings.selectors import ended_of
from vault.models import CredentialProvider, Grant, Outcome, Revocation

pytestmark = pytest.mark.django_db


def test_who_ended_it_themselves_reads_so_and_what_the_provider_said(
    world: World, alice: User, bob: User
) -> None:
    grant_revoke(grant=world.grant(alice), actor=Actor.person(alice))

    [ended] = ended_of(alice.subject)
    assert (ended.provider, ended.agent, ended.by_person) == ("Acme Calendar", "Concierge", True)
    assert ended.outcome == Outcome.REVOKED_AT_PROVIDER
    assert str(ended.told) == "Acme Calendar has confirmed that it is over there too."
    assert ended.account_url == ""
    assert ended_of(bob.subject) == []


def test_who_had_it_ended_by_an_admin_reads_so_without_the_admins_name(
    world: World, alice: User
) -> None:
    grant_revoke(grant=world.grant(alice), actor=ADMIN)

    [ended] = ended_of(alice.subject)
    assert not ended.by_person
    assert "an admin" not in str(ended)
    assert Grant.objects.get().revoked_by == "an admin"


def test_where_something_may_be_left_the_providers_own_page_is_named(
    world: World, alice: User
) -> None:
    del world.there.metadata["revocation_endpoint"]
    CredentialProvider.objects.update(account_url="https://acme.example/apps")

    grant_revoke(grant=world.grant(alice), actor=ADMIN)

    [ended] = ended_of(alice.subject)
    assert ended.account_url == "https://acme.example/apps"
    assert "no way to be told" in str(ended.told)


def test_what_ended_long_ago_is_not_shown(world: World, alice: User) -> None:
    grant_revoke(grant=world.grant(alice), actor=ADMIN)
    Grant.objects.update(revoked_at=timezone.now() - timedelta(days=31))

    assert ended_of(alice.subject) == []


def test_what_is_connected_says_nothing_of_an_end(world: World, alice: User) -> None:
    world.grant(alice)

    assert ended_of(alice.subject) == []
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.update(revocation_outcome=Outcome.NO_ENDPOINT)


def test_tokens_that_came_after_the_end_are_told_before_it_counts_as_told(
    world: World, alice: User
) -> None:
    grant = world.grant(alice)
    grant_revoke(grant=grant, actor=ADMIN)
    late = oauth.Tokens(Secret("late"), Secret("later"), None, 3600, None)

    world.there.revocation_status = 503
    [row] = renewal.record([refreshing.Settled(Grant.objects.get(), None, late)])
    assert Grant.objects.get().revocation_outcome == Outcome.PROVIDER_AWAY
    revocations.attempt(row)
    assert Grant.objects.get().revocation_outcome == Outcome.PROVIDER_AWAY

    world.there.revocation_status = 200
    revocations.attempt(row)
    assert Grant.objects.get().revocation_outcome == Outcome.REVOKED_AT_PROVIDER


def test_one_token_that_was_given_up_is_what_the_whole_ended_with(
    world: World, alice: User
) -> None:
    grant = world.grant(alice)
    world.there.revocation_status = 503
    grant_revoke(grant=grant, actor=ADMIN)
    first = Revocation.objects.get()
    second = revocations.queue(grant, Secret("late"), None)
    Revocation.objects.filter(pk=first.pk).update(created_at="2020-01-01T00:00:00Z")
    revocations.attempt(Revocation.objects.get(pk=first.pk))

    world.there.revocation_status = 200
    revocations.attempt(second)

    assert Grant.objects.get().revocation_outcome == Outcome.GIVEN_UP


def test_what_does_not_open_any_more_can_be_taken_back_and_is_said_not_to_be_told(
    world: World, alice: User
) -> None:
    grant = world.grant(alice)
    Grant.objects.update(access_sealed=b"broken")

    assert grant_revoke(grant=grant, actor=ADMIN).outcome == Outcome.UNREADABLE

    ended = Grant.objects.get()
    assert (ended.state, ended.revocation_outcome) == ("revoked", Outcome.UNREADABLE)
    assert (ended.access_sealed, ended.refresh_sealed) == (None, None)
    assert world.there.asked_at("/revoke") == []
    assert len(events("vault.grant.revoked")) == 1


def test_what_does_not_open_for_now_is_kept(
    world: World, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.grant(alice)

    def away(_: Grant) -> Secret:
        raise KeyUnavailable("a key", because="KMS is away")

    monkeypatch.setattr(Grant, "access_token", away)

    with pytest.raises(KeyUnavailable):
        grant_revoke(grant=grant, actor=ADMIN)
    assert Grant.objects.get().state == Grant.State.LIVE
    assert events("vault.grant.revoked") == []
