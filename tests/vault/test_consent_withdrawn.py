"""A request for consent that its person does not want any more, or declines, opens nothing."""

from __future__ import annotations

import pytest

from core.models import User
from tests.vault.conftest import Browser, World, events
from vault.errors import SessionUnknown
from vault.flows import consent
from vault.flows.errors import ConsentDenied, ConsentExpired, ConsentUsed, ConsentWithdrawn
from vault.holdings.selectors import consent_card
from vault.models import ConsentSession, Grant, Revocation

pytestmark = pytest.mark.django_db


def test_its_link_says_so_and_the_provider_is_not_reached(world: World, alice: User) -> None:
    waiting = world.wait(alice)
    session = world.session(waiting)

    assert consent.withdraw(session_id=session.pk, subject=alice.subject)

    page = Browser(alice).get(waiting.authorization_url.reveal())
    assert page.status_code == 410
    assert "This request was closed" in page.content.decode()
    assert consent_card(world.session(waiting)).state == "withdrawn"
    with pytest.raises(ConsentWithdrawn):
        world.read(alice, session_uri=waiting.session_uri)
    [event] = events("vault.consent.failed")
    assert (event.outcome, event.reason) == ("failed", "consent_withdrawn")


def test_who_is_at_the_provider_comes_back_to_nothing(world: World, alice: User) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = world.there.allow(world.to_provider(waiting, browser), account="alice")

    consent.withdraw(session_id=world.session(waiting).pk, subject=alice.subject)

    assert browser.get(callback).status_code == 410
    assert world.there.asked_at("/token") == []
    assert not Grant.objects.exists()


def test_tokens_that_were_got_already_are_revoked(world: World, alice: User) -> None:
    waiting = world.wait(alice)
    world.consent(waiting, Browser(alice))

    consent.withdraw(session_id=world.session(waiting).pk, subject=alice.subject)

    assert world.there.asked_at("/revoke")
    assert not Revocation.objects.exists()
    with pytest.raises(ConsentWithdrawn):
        consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    assert not Grant.objects.exists()


def test_nobody_withdraws_what_somebody_else_was_asked(
    world: World, alice: User, bob: User
) -> None:
    session = world.session(world.wait(alice))

    assert not consent.withdraw(session_id=session.pk, subject=bob.subject)

    session.refresh_from_db()
    assert session.status == "pending"
    assert events("vault.consent.failed") == []


def test_what_was_granted_stays_granted(world: World, alice: User) -> None:
    waiting = world.wait(alice)
    world.consent(waiting, Browser(alice))
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)

    assert not consent.withdraw(session_id=world.session(waiting).pk, subject=alice.subject)

    assert Grant.objects.get().state == Grant.State.LIVE


def test_what_is_declined_here_is_a_denial_and_its_link_leads_nowhere(
    world: World, alice: User
) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    callback = world.there.allow(world.to_provider(waiting, browser), account="alice")
    declined = world.session(waiting)

    for _again in range(2):
        consent.decline(session_id=declined.pk, subject=alice.subject)

    with pytest.raises(ConsentDenied):
        world.read(alice, session_uri=waiting.session_uri)
    for link in (callback, waiting.authorization_url.reveal()):
        assert "Nothing was connected" in browser.get(link).content.decode()
    assert world.there.asked_at("/token") == []
    assert consent_card(world.session(waiting)).state == "denied"
    [event] = events("vault.consent.denied")
    assert (event.outcome, event.reason, event.subject_sub) == ("allowed", "declined", "alice")


def test_nobody_declines_for_another_person(world: World, alice: User, bob: User) -> None:
    waiting = world.wait(alice)

    with pytest.raises(SessionUnknown):
        consent.decline(session_id=world.session(waiting).pk, subject=bob.subject)

    assert world.session(waiting).status == ConsentSession.Status.PENDING
    assert events("vault.consent.denied") == []


def test_what_was_given_or_is_over_is_not_declined_after(world: World, alice: User) -> None:
    world.grant(alice)
    given = ConsentSession.objects.get()
    with pytest.raises(ConsentUsed):
        consent.decline(session_id=given.pk, subject=alice.subject)
    assert Grant.objects.get().state == Grant.State.LIVE

    late = world.session(world.wait(alice, forced=True))
    ConsentSession.objects.filter(pk=late.pk).update(expires_at=late.created_at)
    with pytest.raises(ConsentExpired):
        consent.decline(session_id=late.pk, subject=alice.subject)
