"""Taking a grant back: over here at once, and over at the provider as soon as it can be told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from core import audit
from core.crypto import SealBroken
from core.models import User
from core.secret import Secret
from tests.fixtures.provider import Fault, Provider, Refused
from tests.vault.conftest import ADMIN, Browser, World, events
from vault.ending import revocations
from vault.ending.revocations import attempt_due, grant_revoke
from vault.errors import GrantUnknown
from vault.flows import sessions
from vault.models import ConsentSession, CredentialProvider, Grant, Outcome, Revocation
from vault.token_read import Waiting

pytestmark = pytest.mark.django_db


def revoked_in_clear(there: Provider) -> list[tuple[str, str]]:
    """Return which tokens the provider was told of, by their kind and how they begin."""
    return [(form["token_type_hint"], form["token"][:3]) for form in there.asked_at("/revoke")]


def due(**changed: object) -> None:
    Revocation.objects.update(next_attempt_at="2020-01-01T00:00:00Z", **changed)


def test_disconnecting_ends_both_tokens_at_the_provider_and_keeps_neither(
    world: World, alice: User
) -> None:
    grant = world.grant(alice)
    token = world.token(alice)

    revoked = grant_revoke(grant=grant, actor=ADMIN)

    assert (revoked.outcome, revoked.provider_name) == (
        Outcome.REVOKED_AT_PROVIDER, "Acme Calendar",
    )  # fmt: skip
    assert revoked_in_clear(world.there) == [("refresh_token", "rt-"), ("access_token", "at-")]
    assert world.there.knows(token) is None
    kept = Grant.objects.get()
    assert (kept.state, kept.access_sealed, kept.refresh_sealed, kept.next_refresh_at) == (
        "revoked", None, None, None,
    )  # fmt: skip
    assert kept.revocation_outcome == Outcome.REVOKED_AT_PROVIDER
    assert not Revocation.objects.exists()
    taken_back = events("vault.grant.revoked")[0]
    assert taken_back.agent == "concierge-0123456789"
    assert (taken_back.subject_sub, taken_back.actor) == ("alice", "an admin")
    assert [e.outcome for e in events("vault.revocation")] == ["allowed"]


def test_after_disconnecting_the_agent_has_to_ask_and_a_new_consent_makes_a_new_grant(
    world: World, alice: User
) -> None:
    old = world.grant(alice)
    grant_revoke(grant=old, actor=ADMIN)

    assert isinstance(world.read(alice), Waiting)
    assert world.grant(alice).pk != old.pk
    assert world.there.knows(world.token(alice)) == "alice"


def test_what_was_taken_back_is_not_taken_back_again(world: World, alice: User) -> None:
    grant = world.grant(alice)
    grant_revoke(grant=grant, actor=ADMIN)

    with pytest.raises(GrantUnknown):
        grant_revoke(grant=grant, actor=ADMIN)
    assert len(events("vault.grant.revoked")) == 1


def test_a_lapsed_grant_can_be_taken_back_too(world: World, alice: User) -> None:
    grant = world.grant(alice)
    Grant.objects.update(state="lapsed")

    assert grant_revoke(grant=grant, actor=ADMIN).outcome == Outcome.REVOKED_AT_PROVIDER


def test_a_provider_without_a_revocation_endpoint_is_said_to_be_one(
    world: World, alice: User
) -> None:
    del world.there.metadata["revocation_endpoint"]
    CredentialProvider.objects.update(account_url="https://acme.example/apps")

    revoked = grant_revoke(grant=world.grant(alice), actor=ADMIN)

    assert (revoked.outcome, revoked.account_url) == (
        Outcome.NO_ENDPOINT, "https://acme.example/apps",
    )  # fmt: skip
    assert Grant.objects.get().access_sealed is None
    assert Grant.objects.get().revocation_outcome == Outcome.NO_ENDPOINT
    assert not Revocation.objects.exists()
    assert events("vault.revocation")[0].reason == "no_endpoint"


@pytest.mark.parametrize("status", [503, 429, 400])
def test_while_the_provider_is_away_the_grant_is_over_here_and_it_is_told_later(
    status: int, world: World, alice: User
) -> None:
    grant = world.grant(alice)
    token = world.token(alice)
    world.there.revocation_status = status

    assert grant_revoke(grant=grant, actor=ADMIN).outcome == Outcome.PROVIDER_AWAY

    assert isinstance(world.read(alice), Waiting)
    assert Grant.objects.get().access_sealed is None
    assert world.there.knows(token) == "alice"
    assert Grant.objects.get().revocation_outcome == Outcome.PROVIDER_AWAY
    left = Revocation.objects.get()
    assert left.attempts == 1
    assert left.next_attempt_at > timezone.now()
    assert attempt_due() == 0

    world.there.revocation_status = 200
    due()
    assert attempt_due() == 1
    assert world.there.knows(token) is None
    assert not Revocation.objects.exists()
    assert Grant.objects.get().revocation_outcome == Outcome.REVOKED_AT_PROVIDER
    assert [e.outcome for e in events("vault.revocation")] == ["allowed"]


def test_a_provider_that_is_away_is_asked_once_and_keeps_no_other_waiting(
    world: World, alice: User, bob: User
) -> None:
    for person in (alice, bob):
        revocations.grant_forget(grant=world.grant(person), actor=ADMIN)
    elsewhere = Revocation(
        provider=CredentialProvider.objects.create(
            name="elsewhere",
            client_auth="none",
            issuer="https://elsewhere.invalid",
            authorization_endpoint="https://elsewhere.invalid/authorize",
            token_endpoint="https://elsewhere.invalid/token",
        ),
        next_attempt_at=timezone.now(),
    )
    elsewhere.seal_tokens(Secret("at-elsewhere"), None)
    elsewhere.save(force_insert=True)
    world.there.revocation_status = 503
    due()

    made = attempt_due(for_s=5)

    assert made == 2
    assert len(world.there.asked_at("/revoke")) == 1
    left = Revocation.objects.order_by("attempts")
    assert [(row.provider.name, row.attempts) for row in left] == [("acme", 0), ("acme", 1)]


def test_attempts_are_further_and_further_apart_and_end_after_three_days(
    world: World, alice: User
) -> None:
    grant = world.grant(alice)
    world.there.revocation_status = 503
    grant_revoke(grant=grant, actor=ADMIN)
    due(attempts=40)
    attempt_due()
    assert Revocation.objects.get().next_attempt_at < timezone.now() + timedelta(hours=6)

    due(created_at=timezone.now() - revocations.GIVEN_UP_AFTER - timedelta(seconds=1))
    attempt_due()

    assert not Revocation.objects.exists()
    assert Grant.objects.get().revocation_outcome == Outcome.GIVEN_UP
    given_up = events("vault.revocation")[0]
    assert (given_up.outcome, given_up.reason) == ("failed", "provider_unavailable")


def test_a_server_that_ends_access_tokens_only_with_their_refresh_token_has_done_it(
    world: World, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.grant(alice)
    _refuse_access_tokens(world.there, monkeypatch)

    assert grant_revoke(grant=grant, actor=ADMIN).outcome == Outcome.REVOKED_AT_PROVIDER
    assert world.there.family_of("alice").ended


def test_a_refusal_of_the_access_token_for_another_reason_is_tried_again(
    world: World, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.grant(alice)
    _refuse_access_tokens(world.there, monkeypatch, error="invalid_client")

    assert grant_revoke(grant=grant, actor=ADMIN).outcome == Outcome.PROVIDER_AWAY
    assert Revocation.objects.get().attempts == 1


def test_an_access_token_alone_that_cannot_be_revoked_ends_with_its_time(
    world: World, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.there.faults.append(Fault.NO_REFRESH_TOKEN)
    grant = world.grant(alice)
    _refuse_access_tokens(world.there, monkeypatch)

    assert grant_revoke(grant=grant, actor=ADMIN).outcome == Outcome.NO_ENDPOINT
    assert not Revocation.objects.exists()


def _refuse_access_tokens(
    there: Provider, monkeypatch: pytest.MonkeyPatch, error: str = "unsupported_token_type"
) -> None:
    real = there.revoke

    def revoke(form: dict[str, str], authorization: str) -> None:
        if form["token_type_hint"] == "access_token":
            raise Refused(error)
        real(form, authorization)

    monkeypatch.setattr(there, "revoke", revoke)


def test_without_a_record_nothing_is_taken_back(world: World, alice: User) -> None:
    grant = world.grant(alice)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditevent ADD CONSTRAINT broken CHECK (false) NOT VALID")

    with pytest.raises(audit.AuditUnavailable):
        grant_revoke(grant=grant, actor=ADMIN)

    assert Grant.objects.get().state == "live"
    assert world.there.asked_at("/revoke") == []
    assert not Revocation.objects.exists()


def test_the_tokens_on_their_way_out_are_sealed_and_bound_to_their_row(
    world: World, alice: User, bob: User
) -> None:
    world.there.revocation_status = 503
    for person in (alice, bob):
        grant_revoke(grant=world.grant(person), actor=ADMIN)
    first, second = Revocation.objects.all()
    assert str(first) == str(first.pk)
    assert first.access_token() != second.access_token()

    first.access_sealed = second.access_sealed
    with pytest.raises(SealBroken):
        first.access_token()


def test_a_consent_that_expires_before_it_is_completed_leaves_no_token_anywhere(
    world: World, alice: User
) -> None:
    waiting = world.wait(alice)
    world.consent(waiting, Browser(alice))
    still_open = world.wait(alice, runtime_session_id="another")
    past = timezone.now() - timedelta(seconds=1)
    ConsentSession.objects.filter(pk=world.session(waiting).pk).update(expires_at=past)

    assert sessions.expire_due(at=timezone.now()) == 1
    assert sessions.expire_due(at=timezone.now()) == 0

    ended = world.session(waiting)
    assert (ended.status, ended.access_sealed, ended.refresh_sealed) == ("expired", None, None)
    assert world.there.family_of("alice").ended
    assert world.session(still_open).status == "pending"
    assert events("vault.consent.expired")[0].subject_sub == "alice"


def test_tokens_of_an_expired_consent_are_revoked_later_where_the_provider_is_away(
    world: World, alice: User
) -> None:
    waiting = world.wait(alice)
    world.consent(waiting, Browser(alice))
    world.there.revocation_status = 503
    ConsentSession.objects.update(expires_at="2020-01-01T00:00:00Z")

    sessions.expire_due(at=timezone.now())

    assert world.session(waiting).status == "expired"
    world.there.revocation_status = 200
    due()
    attempt_due()
    assert world.there.family_of("alice").ended
