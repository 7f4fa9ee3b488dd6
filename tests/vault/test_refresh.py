"""Keeping a grant fresh with a provider that rotates, fails, hangs up and forgets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from core import oauth, refreshing
from core.crypto import KeyMissing
from core.models import AuditEvent, User
from tests.fixtures.provider import Fault
from tests.vault.conftest import ADMIN, Browser, Expire, World, events
from vault.ending.revocations import grant_revoke
from vault.errors import ProviderUnavailable
from vault.flows import consent
from vault.grants import keeping
from vault.grants.due import refresh_due
from vault.grants.renewal import grant_refresh
from vault.models import CredentialProvider, Grant, Revocation
from vault.token_read import Waiting

pytestmark = pytest.mark.django_db

threaded = pytest.mark.django_db(transaction=True)


def again(grant: Grant) -> Grant:
    """Return the row as it stands, with what services want loaded."""
    return Grant.objects.select_related("provider", "workload_identity").get(pk=grant.pk)


def outcomes() -> list[tuple[str, str]]:
    return [(event.outcome, event.reason) for event in events("vault.refresh")]


def start(work: Callable[[], object]) -> threading.Thread:
    """Run `work` in a thread that leaves no connection to the database open."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_expired_token_is_refreshed_when_it_is_read(
    world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    old = world.token(alice)
    expire(grant)

    new = world.token(alice)

    assert new != old
    assert world.there.knows(new) == "alice"
    assert world.there.refreshes == 1
    assert again(grant).generation == grant.generation + 1
    assert outcomes() == [("allowed", "")]
    assert world.token(alice) == new


def test_a_fresh_token_is_read_without_asking_the_provider(world: World, alice: User) -> None:
    world.grant(alice)

    world.token(alice)

    assert world.there.refreshes == 0


@pytest.mark.parametrize(("left_s", "refreshed"), [(25, 0), (15, 1), (-1, 1)])
def test_it_is_refreshed_when_it_might_not_live_through_a_call(
    left_s: int, refreshed: int, world: World, alice: User
) -> None:
    world.grant(alice)
    Grant.objects.update(access_expires_at=timezone.now() + timedelta(seconds=left_s))

    world.token(alice)

    assert world.there.refreshes == refreshed


def test_a_token_without_a_stated_end_is_taken_as_good(world: World, alice: User) -> None:
    world.there.access_s = None
    grant = world.grant(alice)

    assert world.token(alice)
    assert grant.access_expires_at is grant.next_refresh_at is None


def test_a_response_without_a_refresh_token_keeps_the_old_one(
    world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    expire(grant)
    world.there.faults.append(Fault.NO_REFRESH_TOKEN)
    world.token(alice)
    expire(grant)

    assert world.there.knows(world.token(alice)) == "alice"
    assert world.there.refreshes == 2


def test_a_refused_refresh_token_ends_the_grant_and_the_person_is_asked_again(
    world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    expire(grant)
    world.there.family_of("alice").ended = True

    waiting = world.wait(alice)

    lapsed = again(grant)
    assert (lapsed.state, lapsed.last_failure, lapsed.next_refresh_at) == (
        "lapsed", "invalid_grant", None,
    )  # fmt: skip
    assert outcomes() == [("failed", "reconnect_needed")]
    world.consent(waiting, Browser(alice))
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    assert again(grant).state == "live"
    assert world.there.knows(world.token(alice)) == "alice"


def test_a_lapsed_grant_is_not_tried_again(world: World, alice: User, expire: Expire) -> None:
    grant = world.grant(alice)
    Grant.objects.update(state="lapsed")
    expire(grant)

    assert isinstance(world.read(alice), Waiting)
    with pytest.raises(refreshing.ReconnectNeeded):
        grant_refresh(grant=again(grant))
    assert world.there.refreshes == 0
    assert outcomes() == []


def test_an_expired_token_without_a_refresh_token_needs_the_person(
    world: World, alice: User, expire: Expire
) -> None:
    world.there.faults.append(Fault.NO_REFRESH_TOKEN)
    expire(world.grant(alice))

    assert isinstance(world.read(alice), Waiting)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.ERROR_500, "provider_unavailable"),
        (Fault.WRONG_CLIENT, "provider_misconfigured"),
        (Fault.HANG_UP_BEFORE, "provider_unanswered"),
    ],
)
def test_a_provider_in_trouble_costs_nothing_but_time(
    fault: Fault, code: str, world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    expire(grant)
    world.there.faults.append(fault)

    with pytest.raises(oauth.OAuthError, match=code):
        world.read(alice)

    kept = again(grant)
    assert (kept.state, kept.failures, kept.last_failure) == ("live", 1, code)
    assert kept.next_refresh_at is not None
    assert kept.next_refresh_at > timezone.now()
    assert outcomes() == [("failed", code)]
    assert not events("vault.token.released")
    # Until then nobody bothers the provider, and afterwards the grant goes on.
    asked = len(world.there.asked_at("/token"))
    with pytest.raises(oauth.TryLater):
        world.read(alice)
    assert len(world.there.asked_at("/token")) == asked
    expire(grant)
    assert world.there.knows(world.token(alice)) == "alice"
    assert world.there.refreshes == 1


def test_what_is_left_of_the_old_token_serves_while_the_provider_is_in_trouble(
    world: World, alice: User
) -> None:
    world.grant(alice)
    old = world.token(alice)
    Grant.objects.update(access_expires_at=timezone.now() + timedelta(seconds=10))
    world.there.faults.append(Fault.ERROR_500)

    assert world.token(alice) == old


def test_a_provider_whose_metadata_is_away_leaves_no_mark(
    world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    expire(grant)
    CredentialProvider.objects.update(discovery_url="http://127.0.0.1:1/.well-known/x")

    with pytest.raises(ProviderUnavailable):
        world.read(alice)

    kept = again(grant)
    assert (kept.state, kept.failures, kept.spending_since) == ("live", 0, None)
    assert outcomes() == []


def test_a_missing_key_leaves_no_mark_and_ends_nothing(
    world: World, alice: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.grant(alice)
    expire(grant)

    def missing(self: Grant) -> None:
        raise KeyMissing("old", because="VAULT_KEYS has no key of this id")

    with monkeypatch.context() as patched:
        patched.setattr(Grant, "refresh_token", missing)
        with pytest.raises(KeyMissing):
            world.read(alice)

    kept = again(grant)
    assert (kept.state, kept.spending_since) == ("live", None)
    assert world.there.refreshes == 0
    assert world.token(alice)


def in_doubt(world: World, person: User, expire: Expire) -> Grant:
    """Return an expired grant of which nobody knows whether its refresh token was spent."""
    grant = world.grant(person)
    expire(grant)
    world.there.faults.append(Fault.HANG_UP_AFTER)
    with pytest.raises(oauth.Unanswered):
        world.read(person)
    expire(grant)
    return grant


def test_an_answer_that_was_lost_is_asked_for_once_more_within_the_grace(
    world: World, alice: User, expire: Expire
) -> None:
    world.there.forgives = True
    in_doubt(world, alice, expire)

    assert world.there.knows(world.token(alice)) == "alice"
    assert world.there.refreshes == 1
    assert not world.there.family_of("alice").ended


def test_an_answer_that_was_lost_at_a_provider_that_forgives_nothing_needs_the_person(
    world: World, alice: User, expire: Expire
) -> None:
    grant = in_doubt(world, alice, expire)

    assert isinstance(world.read(alice), Waiting)
    assert again(grant).state == "lapsed"


def test_after_the_grace_a_token_that_may_be_spent_is_not_sent_again(
    world: World, alice: User, expire: Expire
) -> None:
    grant = in_doubt(world, alice, expire)
    Grant.objects.update(spending_since=timezone.now() - timedelta(seconds=61))
    asked = len(world.there.asked_at("/token"))

    assert isinstance(world.read(alice), Waiting)

    assert len(world.there.asked_at("/token")) == asked
    assert again(grant).state == "lapsed"
    assert outcomes()[-1] == ("failed", "reconnect_needed")


def test_a_repetition_leaves_while_there_is_time_to_arrive_within_the_grace(
    world: World, alice: User, expire: Expire
) -> None:
    world.there.forgives = True
    in_doubt(world, alice, expire)
    Grant.objects.update(spending_since=timezone.now() - timedelta(seconds=51))
    asked = len(world.there.asked_at("/token"))

    assert isinstance(world.read(alice), Waiting)

    assert len(world.there.asked_at("/token")) == asked


def test_a_repetition_that_the_provider_puts_off_stays_in_doubt(
    world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    expire(grant)
    world.there.faults.extend([Fault.HANG_UP_AFTER, Fault.ERROR_500])
    with pytest.raises(oauth.Unanswered):
        world.read(alice)
    sent_at = again(grant).spending_since
    expire(grant)
    with pytest.raises(oauth.TryLater):
        world.read(alice)

    doubted = again(grant)
    assert (doubted.spending_since, doubted.spending_retried) == (sent_at, False)
    expire(grant)
    Grant.objects.update(spending_since=timezone.now() - timedelta(seconds=61))
    assert isinstance(world.read(alice), Waiting)
    assert not world.there.family_of("alice").ended


def test_a_lost_answer_is_asked_for_within_the_grace_however_often_it_failed_before(
    world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    expire(grant)
    Grant.objects.update(failures=9)
    world.there.faults.append(Fault.HANG_UP_AFTER)
    with pytest.raises(oauth.Unanswered):
        world.read(alice)

    planned = again(grant).next_refresh_at
    assert planned is not None
    assert planned < timezone.now() + timedelta(seconds=6)


def test_an_answer_for_a_grant_that_was_deleted_meanwhile_is_given_back(
    world: World, alice: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    expire(world.grant(alice))
    _while_sent(world, monkeypatch, lambda: Grant.objects.all().delete())

    assert isinstance(world.read(alice), Waiting)

    assert world.there.family_of("alice").ended
    assert not Revocation.objects.exists()


def test_an_answer_that_comes_after_somebody_else_took_over_is_not_stored(
    world: World, alice: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.grant(alice)
    expire(grant)
    other = "00000000-0000-0000-0000-000000000001"
    _while_sent(world, monkeypatch, lambda: Grant.objects.update(spending_by=other))

    with pytest.raises(refreshing.StillBusy):
        world.read(alice)

    assert again(grant).generation == grant.generation
    assert str(again(grant).spending_by) == other


def test_a_refusal_that_comes_after_a_new_consent_ends_nothing(
    world: World, alice: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.grant(alice)
    expire(grant)
    future = timezone.now() + timedelta(hours=1)

    def refused(*_: Any, **__: Any) -> oauth.Tokens:
        Grant.objects.update(
            generation=grant.generation + 1, spending_by=None, access_expires_at=future
        )
        raise oauth.GrantRejected(error="invalid_grant")

    monkeypatch.setattr(oauth, "token_request", refused)

    assert world.token(alice)
    assert again(grant).state == "live"


def test_a_server_that_keeps_its_refresh_tokens_is_asked_again_however_late(
    world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    expire(grant)
    Grant.objects.update(rotates=False, spending_since=timezone.now() - timedelta(hours=2))

    assert world.there.knows(world.token(alice)) == "alice"


def test_the_grace_is_the_providers_own(world: World, alice: User, expire: Expire) -> None:
    CredentialProvider.objects.update(refresh_grace_s=0)
    expire(world.grant(alice))
    world.there.faults.append(Fault.HANG_UP_BEFORE)
    with pytest.raises(oauth.Unanswered):
        world.read(alice)
    expire(Grant.objects.get())

    assert isinstance(world.read(alice), Waiting)
    assert world.there.refreshes == 0


def _while_sent(world: World, monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Have `act` happen while the provider has the refresh token and has not answered."""
    real = oauth.token_request

    def interrupted(*args: Any, **kwargs: Any) -> oauth.Tokens:
        tokens = real(*args, **kwargs)
        monkeypatch.undo()
        act()
        return tokens

    monkeypatch.setattr(oauth, "token_request", interrupted)


def test_tokens_that_come_after_the_person_disconnected_are_revoked_and_not_kept(
    world: World, alice: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.grant(alice)
    expire(grant)
    _while_sent(world, monkeypatch, lambda: grant_revoke(grant=grant, actor=ADMIN))

    assert isinstance(world.read(alice), Waiting)

    revoked = again(grant)
    assert (revoked.state, revoked.access_sealed, revoked.refresh_sealed) == ("revoked", None, None)
    assert not Revocation.objects.exists()
    told = [form["token"] for form in world.there.asked_at("/revoke")]
    assert len(told) == 4  # the old pair by the person's wish, the new one because it is nobody's
    assert world.there.family_of("alice").current in told
    assert not world.there.family_of("alice").accesses


def test_an_answer_is_not_stored_in_a_row_that_ended_with_its_marks_on(
    world: World, alice: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    expire(world.grant(alice))
    ended = {"state": "revoked", "access_sealed": None, "refresh_sealed": None}
    _while_sent(world, monkeypatch, lambda: Grant.objects.update(**ended))

    assert isinstance(world.read(alice), Waiting)

    assert Grant.objects.get().access_sealed is None
    assert world.there.family_of("alice").ended


def test_a_new_consent_stands_against_a_refresh_of_the_old_tokens(
    world: World, alice: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.grant(alice)
    expire(grant)
    waiting = world.wait(alice, forced=True)

    def reconnect() -> None:
        world.consent(waiting, Browser(alice), account="alice's new account")
        consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)

    _while_sent(world, monkeypatch, reconnect)

    assert world.there.knows(world.token(alice)) == "alice's new account"
    assert again(grant).generation == grant.generation + 1
    assert world.there.asked_at("/revoke") == []


def test_the_next_refresh_is_due_before_the_token_ends_and_not_for_all_at_once(
    world: World, alice: User, bob: User
) -> None:
    leads = []
    for person in (alice, bob):
        grant = world.grant(person)
        assert grant.next_refresh_at is not None
        assert grant.access_expires_at is not None
        leads.append((grant.access_expires_at - grant.next_refresh_at).total_seconds())

    # a fifth to a third of what is left of its 120 s when the person comes back
    assert all(20 < lead < 40 for lead in leads)
    assert leads[0] != leads[1]


@threaded
def test_a_reader_and_a_worker_at_once_spend_the_token_once(
    world: World, alice: User, expire: Expire
) -> None:
    expire(world.grant(alice))
    world.there.before.clear()
    worker = start(refresh_due)
    assert world.there.waiting.wait(10)
    released = threading.Timer(0.2, world.there.before.set)
    released.start()

    token = world.token(alice)

    worker.join()
    released.join()
    assert world.there.refreshes == 1
    assert world.there.knows(token) == "alice"


@threaded
def test_readers_who_waited_for_an_attempt_that_failed_make_no_attempt_of_their_own(
    world: World, alice: User, expire: Expire
) -> None:
    expire(world.grant(alice))
    world.there.before.clear()
    asked = len(world.there.asked_at("/token"))
    failed: list[str] = []

    def read() -> None:
        try:
            world.read(alice)
        except oauth.TryLater as exc:
            failed.append(exc.code)

    readers = [start(read) for _ in range(8)]
    assert world.there.waiting.wait(10)
    world.there.fails_held = True
    world.there.before.set()
    for reader in readers:
        reader.join()

    assert failed == ["provider_unavailable"] * 8
    assert len(world.there.asked_at("/token")) == asked + 1
    assert Grant.objects.get().failures == 1


def test_a_provider_that_asked_to_be_left_alone_is_so_by_readers_of_every_grant(
    world: World, alice: User, bob: User, expire: Expire
) -> None:
    for person in (alice, bob):
        expire(world.grant(person))
    world.there.faults.append(Fault.TOO_MANY)
    asked = len(world.there.asked_at("/token"))

    for person in (alice, bob, alice):
        with pytest.raises(oauth.TryLater):
            world.read(person)

    assert len(world.there.asked_at("/token")) == asked + 1
    assert outcomes() == [("failed", "provider_unavailable")]
    CredentialProvider.objects.update(refresh_not_before="2020-01-01T00:00:00Z")
    assert world.there.knows(world.token(bob)) == "bob"


def test_a_refresh_is_on_record_without_anything_secret(
    world: World, alice: User, expire: Expire
) -> None:
    expire(world.grant(alice))
    token = world.token(alice)

    recorded = AuditEvent.objects.get(action="vault.refresh")
    assert (recorded.subject_sub, recorded.agent) == ("alice", "concierge-0123456789")
    assert token not in str(recorded.detail)


def test_somebody_elses_refresh_that_takes_too_long_is_told_so(
    world: World, alice: User, expire: Expire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "WAIT_S", 0.0)
    expire(world.grant(alice))
    Grant.objects.update(
        spending_by="00000000-0000-0000-0000-000000000001", spending_since=timezone.now()
    )

    with pytest.raises(refreshing.StillBusy):
        world.read(alice)
    assert world.there.refreshes == 0
    assert keeping.LEEWAY_S > keeping.LAST_RESORT_S
