"""What a person is told of a connection in trouble, until it is mended or dismissed."""

from __future__ import annotations

import pytest

from agents import services
from core.errors import Forbidden
from core.models import User
from tests.vault.conftest import ADMIN, Browser, Expire, World, events
from vault.errors import GrantUnknown
from vault.flows import consent, reconnect
from vault.grants.attention import Trouble, attention_dismiss, attention_of
from vault.holdings.selectors import connections_of
from vault.models import ConsentSession, Grant
from vault.providers import services as providers

pytestmark = pytest.mark.django_db


def troubles(person: User) -> list[Trouble]:
    return [one.trouble for one in attention_of(person.subject)]


def lapse(grant: Grant) -> None:
    Grant.objects.filter(pk=grant.pk).update(state="lapsed", next_refresh_at=None)


def test_of_what_works_nothing_is_told(world: World, alice: User, expire: Expire) -> None:
    grant = world.grant(alice)
    assert troubles(alice) == []

    expire(grant)
    assert troubles(alice) == []  # it is refreshed when it is used


def test_what_the_provider_ended_is_told_to_its_person_alone(
    world: World, alice: User, bob: User
) -> None:
    lapse(world.grant(alice))
    world.grant(bob)

    [told] = attention_of(alice.subject)
    assert (told.provider, told.agent, told.trouble) == ("Acme Calendar", "Concierge", "over")
    assert troubles(bob) == []
    [shown] = connections_of(alice.subject)
    assert shown.can_reconnect
    assert "Reconnect it" in str(shown.notice)


@pytest.mark.parametrize(
    ("failure", "trouble"),
    [("provider_unavailable", Trouble.AWAY), ("provider_misconfigured", Trouble.REFUSED)],
)
def test_a_refresh_that_fails_is_told_once_the_last_token_has_run_out(
    failure: str, trouble: Trouble, world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    Grant.objects.update(failures=3, last_failure=failure)
    assert troubles(alice) == []

    expire(grant)
    assert troubles(alice) == [trouble]
    [shown] = connections_of(alice.subject)
    assert not shown.can_reconnect
    assert "can use it again" in str(shown.notice)


def test_what_was_dismissed_is_told_again_with_the_next_trouble_alone(
    world: World, alice: User
) -> None:
    grant = world.grant(alice)
    lapse(grant)
    attention_dismiss(subject=alice.subject, grant_id=grant.pk)
    assert troubles(alice) == []
    assert connections_of(alice.subject)[0].state == "attention"

    world.grant(alice)
    lapse(grant)
    assert troubles(alice) == [Trouble.OVER]


def test_nobody_dismisses_for_somebody_else(world: World, alice: User, bob: User) -> None:
    grant = world.grant(alice)
    lapse(grant)

    with pytest.raises(GrantUnknown):
        attention_dismiss(subject=bob.subject, grant_id=grant.pk)
    assert troubles(alice) == [Trouble.OVER]


def test_nobody_is_bothered_with_what_is_switched_off(world: World, alice: User) -> None:
    lapse(world.grant(alice))

    services.agent_switch(agent=world.identity.agent, enabled=False, actor=ADMIN)
    assert troubles(alice) == []
    services.agent_switch(agent=world.identity.agent, enabled=True, actor=ADMIN)
    providers.provider_switch_off(provider=world.provider, actor=ADMIN)
    assert troubles(alice) == []


def test_reconnecting_asks_for_the_same_again_and_mends_the_very_grant(
    world: World, alice: User
) -> None:
    grant = world.grant(alice, "calendar.read", "calendar.write")
    lapse(grant)

    session = reconnect.begin(grant=Grant.objects.get())
    assert session.scopes == ["calendar.read", "calendar.write"]
    browser = Browser(alice)
    there = browser.get(session.authorization_url())
    browser.get(world.there.allow(there["Location"], account="alice"))
    consent.complete_here(session_uri=session.request_uri(), subject=alice.subject)

    mended = Grant.objects.get()
    assert (mended.pk, mended.state) == (grant.pk, "live")
    assert troubles(alice) == []
    assert world.token(alice)
    assert len(events("vault.consent.begun")) == 2


def test_reconnecting_at_what_is_switched_off_asks_nobody(world: World, alice: User) -> None:
    lapse(world.grant(alice))
    before = ConsentSession.objects.count()
    services.agent_switch(agent=world.identity.agent, enabled=False, actor=ADMIN)

    with pytest.raises(Forbidden):
        reconnect.begin(grant=Grant.objects.get())
    assert ConsentSession.objects.count() == before
