"""What the site's pages show: a person's own things, in their words, and nothing secret."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from agents.models import Agent, WorkloadIdentity
from core.models import User
from tests.vault.conftest import ADMIN, Browser, Expire, World
from vault.ending.revocations import grant_revoke
from vault.errors import GrantUnknown
from vault.flows import consent, sessions
from vault.holdings.reach import Service, services_of
from vault.holdings.selectors import (
    connection_of,
    connections_of,
    consent_card,
    grant_of,
)
from vault.models import ConsentSession, CredentialProvider, Grant
from vault.providers import discovery

pytestmark = pytest.mark.django_db


def test_a_person_sees_what_they_granted_and_to_whom(world: World, alice: User, bob: User) -> None:
    grant = world.grant(alice, "calendar.read", "contacts.read")
    world.grant(bob)
    world.token(alice)

    (shown,) = connections_of(alice.subject)

    assert (shown.id, shown.provider, shown.agent) == (grant.pk, "Acme Calendar", "Concierge")
    assert [(scope.name, scope.words) for scope in shown.scopes] == [
        ("calendar.read", "See your calendar"),
        ("contacts.read", ""),
    ]
    assert shown.granted_at == grant.granted_at
    assert shown.last_used_at is not None
    assert (shown.state, shown.notice) == ("connected", "")


def test_an_agent_reaches_what_lists_it_and_says_what_is_connected_for_whom(
    world: World, alice: User, bob: User
) -> None:
    concierge, stranger = world.identity.pk, WorkloadIdentity.objects.create(name="stranger").pk
    world.grant(alice)

    def reach(user: User) -> dict[int, list[Service]]:
        return dict(services_of([concierge, stranger], subject=user.subject))

    assert reach(alice) == {concierge: [Service("Acme Calendar", connected=True)]}
    assert reach(bob) == {concierge: [Service("Acme Calendar", connected=False)]}
    CredentialProvider.objects.update(any_workload=True)
    assert reach(alice)[stranger] == [Service("Acme Calendar", connected=False)]
    CredentialProvider.objects.update(enabled=False)
    assert reach(alice) == {}


@pytest.mark.parametrize("has_endpoint", [True, False])
@pytest.mark.parametrize("written_down", [True, False])
def test_a_person_sees_whether_the_provider_is_told_of_a_disconnection(
    has_endpoint: bool, written_down: bool, world: World, alice: User
) -> None:
    grant = world.grant(alice)
    if written_down:
        url = f"{world.there.url}/revoke" if has_endpoint else ""
        CredentialProvider.objects.update(
            discovery_url="",
            issuer=world.there.url,
            authorization_endpoint=f"{world.there.url}/authorize",
            token_endpoint=f"{world.there.url}/token",
            revocation_endpoint=url,
        )
    elif not has_endpoint:
        del world.there.metadata["revocation_endpoint"]
        discovery.forget()

    assert connection_of(alice.subject, grant.pk).is_told is has_endpoint


def test_a_provider_that_is_away_is_asked_once_a_minute_for_what_a_page_may_do_without(
    world: World, alice: User
) -> None:
    grant = world.grant(alice)
    discovery.forget()
    metadata, world.there.metadata = world.there.metadata, {}
    assert connection_of(alice.subject, grant.pk).is_told is None
    world.there.metadata = metadata

    assert connection_of(alice.subject, grant.pk).is_told is None
    assert discovery.metadata_at(world.provider.discovery_url).issuer == world.there.url
    assert connection_of(alice.subject, grant.pk).is_told is True


def test_somebody_elses_connection_is_not_shown(world: World, alice: User, bob: User) -> None:
    grant = world.grant(alice)

    with pytest.raises(GrantUnknown):
        connection_of(bob.subject, grant.pk)


def test_words_are_in_the_readers_language(world: World, alice: User) -> None:
    world.grant(alice)

    for language, words in [("ja", "予定を見る"), ("en-us", "See your calendar")]:
        with translation.override(language):
            assert connections_of(alice.subject)[0].scopes[0].words == words
    with translation.override(None):
        assert connections_of(alice.subject)[0].scopes[0].words == "See your calendar"


def test_who_granted_nothing_sees_nothing(world: World, alice: User, charlie: User) -> None:
    world.grant(alice)

    assert connections_of(charlie.subject) == []


def test_what_was_disconnected_is_gone_from_the_list(world: World, alice: User) -> None:
    grant_revoke(grant=world.grant(alice), actor=ADMIN)

    assert connections_of(alice.subject) == []


def test_what_lapsed_asks_for_attention(world: World, alice: User) -> None:
    world.grant(alice)
    Grant.objects.update(state="lapsed")

    shown = connections_of(alice.subject)[0]

    assert shown.state == "attention"
    assert str(shown.notice) == (
        "Acme Calendar has ended this access. Reconnect it, or wait until Concierge asks you again."
    )


def test_what_cannot_be_refreshed_asks_for_attention_once_it_has_run_out(
    world: World, alice: User, expire: Expire
) -> None:
    grant = world.grant(alice)
    expire(grant)
    assert connections_of(alice.subject)[0].state == "connected"

    Grant.objects.update(refresh_sealed=None)
    assert connections_of(alice.subject)[0].state == "attention"


def test_a_person_reaches_their_own_grants_only(world: World, alice: User, bob: User) -> None:
    grant = world.grant(alice)

    assert grant_of(alice.subject, grant.pk) == grant
    with pytest.raises(GrantUnknown):
        grant_of(bob.subject, grant.pk)
    with pytest.raises(GrantUnknown):
        grant_of(alice.subject, uuid.uuid4())
    grant_revoke(grant=grant, actor=ADMIN)
    with pytest.raises(GrantUnknown):
        grant_of(alice.subject, grant.pk)


def test_a_workload_identity_without_an_agent_goes_by_its_own_name(
    world: World, alice: User
) -> None:
    world.grant(alice)
    Agent.objects.all().delete()

    assert connections_of(alice.subject)[0].agent == "concierge-0123456789"


def test_the_card_follows_the_journey(world: World, alice: User) -> None:
    waiting, browser = world.wait(alice), Browser(alice)
    card = consent_card(world.session(waiting))
    assert (card.state, card.agent, card.provider, card.url, card.notice) == (
        "pending", "Concierge", "Acme Calendar", waiting.authorization_url.reveal(), "",
    )  # fmt: skip
    assert [scope.words for scope in card.scopes] == ["See your calendar"]
    assert card.expires_at > timezone.now()

    at_provider = world.to_provider(waiting, browser)
    assert consent_card(world.session(waiting)).state == "pending"
    browser.get(world.there.allow(at_provider, account="alice"))
    card = consent_card(world.session(waiting))
    assert (card.state, card.url) == ("completing", "")
    consent.complete_here(session_uri=waiting.session_uri, subject=alice.subject)
    card = consent_card(world.session(waiting))
    assert (card.state, card.url) == ("granted", "")


def test_the_card_of_a_denial_and_of_a_failure(world: World, alice: User) -> None:
    denied, failed = world.wait(alice), world.wait(alice, "contacts.read")
    browser = Browser(alice)
    browser.get(world.there.deny(world.to_provider(denied, browser)))
    browser.get(world.there.deny(world.to_provider(failed, browser), "server_error", "Oh no"))

    card = consent_card(world.session(denied))
    assert (card.state, card.url, card.notice) == ("denied", "", "")
    card = consent_card(world.session(failed))
    assert (card.state, card.url) == ("failed", "")
    assert str(card.notice) == "It answered “server_error: Oh no”."


def test_a_card_whose_time_is_over_says_so_before_the_worker_does(
    world: World, alice: User
) -> None:
    session = world.session(world.wait(alice))
    session.expires_at = timezone.now() - timedelta(seconds=1)

    card = consent_card(session)

    assert (card.state, card.url) == ("expired", "")


def test_a_session_that_goes_on_is_not_called_ended_for_another_reason(
    world: World, alice: User
) -> None:
    session = world.session(world.wait(alice))

    assert sessions.ended(session).code == "consent_used"
    session.expires_at = timezone.now()
    assert sessions.ended(session).code == "consent_expired"
    session.status = ConsentSession.Status.COMPLETED
    assert sessions.ended(session).code == "consent_used"
