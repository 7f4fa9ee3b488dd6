"""A request for consent that its person does not want any more opens nothing."""

from __future__ import annotations

import pytest

from core.models import User
from tests.vault.conftest import Browser, World, events
from vault.flows import consent
from vault.flows.errors import ConsentWithdrawn
from vault.holdings.selectors import consent_card
from vault.models import Grant, Revocation

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
