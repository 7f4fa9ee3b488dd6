"""Tokens for particular resources and audiences: who asks for others gets another one."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.errors import InvalidRequest
from core.models import User
from core.secret import Secret
from core.subject import Subject
from tests.vault.conftest import Browser, World
from vault.asked.wanted import resources_of
from vault.errors import AudienceFixed, ParameterReserved, SessionUnknown
from vault.flows import consent
from vault.holdings.selectors import connections_of, consent_card
from vault.models import ConsentSession, Grant

pytestmark = pytest.mark.django_db(transaction=True)

CALENDAR, MAIL = "https://calendar.acme.example/", "https://mail.acme.example/"


def connect(world: World, person: User, **target: Any) -> str:
    """Go the whole way for `target`, and return the token."""
    waiting = world.wait(person, **target)
    world.consent(waiting, Browser(person))
    consent.complete_here(session_uri=waiting.session_uri, subject=person.subject)
    return world.token(person, session_uri=waiting.session_uri, **target)


def test_a_grant_answers_for_the_resources_it_was_asked_for_and_for_no_others(
    world: World, alice: User
) -> None:
    token = connect(world, alice, resources=(CALENDAR,))

    assert world.token(alice, resources=(CALENDAR,)) == token
    for other in ({}, {"resources": (MAIL,)}, {"resources": (CALENDAR, MAIL)},
                  {"audiences": (CALENDAR,)}):  # fmt: skip
        world.wait(alice, **other)


def test_a_grant_for_nothing_in_particular_answers_for_no_resource(
    world: World, alice: User
) -> None:
    world.grant(alice)

    world.wait(alice, resources=(CALENDAR,))
    world.wait(alice, audiences=("mail",))


def test_grants_for_several_resources_live_beside_each_other(world: World, alice: User) -> None:
    calendar = connect(world, alice, resources=(CALENDAR,))
    mail = connect(world, alice, resources=(MAIL,), audiences=("mail",))

    assert calendar != mail
    assert world.token(alice, resources=(CALENDAR,)) == calendar
    assert world.token(alice, resources=(MAIL,), audiences=("mail",)) == mail
    assert Grant.objects.filter(state="live").count() == 2


def test_both_are_sent_to_the_provider_and_shown_to_the_person(world: World, alice: User) -> None:
    waiting = world.wait(alice, resources=(CALENDAR, MAIL), audiences=("mail",))

    query = parse_qs(urlsplit(world.to_provider(waiting, Browser(alice))).query)

    assert (query["resource"], query["audience"]) == ([CALENDAR, MAIL], ["mail"])
    card = consent_card(ConsentSession.objects.get())
    assert [(one.words, one.name) for one in card.scopes] == [
        ("See your calendar", "calendar.read"),
        ("Use it at", CALENDAR),
        ("Use it at", MAIL),
        ("Use it at", "mail"),
    ]


def test_the_code_is_exchanged_for_the_same_resources(world: World, alice: User) -> None:
    connect(world, alice, resources=(CALENDAR, MAIL))

    assert world.there.sent[-1]["resource"] == [CALENDAR, MAIL]
    (shown,) = connections_of(alice.subject)
    assert [one.name for one in shown.scopes] == ["calendar.read", CALENDAR, MAIL]


def test_an_audience_that_an_admin_wrote_into_the_provider_is_no_agents_to_change(
    world: World, alice: User
) -> None:
    world.provider.extra_authorize_params = {"audience": "calendar"}
    world.provider.save()

    with pytest.raises(AudienceFixed) as refused:
        world.read(alice, audiences=("mail",))

    assert "'calendar' alone" in str(refused.value.message)
    assert not ConsentSession.objects.exists()
    waiting = world.wait(alice, audiences=("calendar",))
    query = parse_qs(urlsplit(world.to_provider(waiting, Browser(alice))).query)
    assert query["audience"] == ["calendar"]


def test_an_audience_among_the_custom_parameters_is_refused(world: World, alice: User) -> None:
    with pytest.raises(ParameterReserved):
        world.read(alice, custom_parameters={"audience": Secret("mail")})


def test_a_session_is_no_answer_for_other_resources(world: World, alice: User) -> None:
    waiting = world.wait(alice, resources=(CALENDAR,))

    with pytest.raises(SessionUnknown):
        world.read(alice, resources=(MAIL,), session_uri=waiting.session_uri)


def test_nobody_gets_what_somebody_else_has_for_the_same_resource(
    world: World, alice: User, bob: User
) -> None:
    connect(world, alice, resources=(CALENDAR,))

    world.wait(bob, resources=(CALENDAR,))
    world.wait(Subject(alice.iss, "alice2"), resources=(CALENDAR,))


@pytest.mark.parametrize(
    "resource", ["calendar", "//acme.example", "https://acme.example/#a", "https://[", "https:"]
)
def test_what_is_no_resource_indicator_is_refused_by_name(resource: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        resources_of([CALENDAR, resource])

    assert [field.name for field in refused.value.fields] == ["resources"]


def test_resources_count_once_whatever_their_order() -> None:
    assert resources_of([MAIL, CALENDAR, MAIL]) == resources_of([CALENDAR, MAIL])
    assert resources_of(["urn:acme:calendar"]) == ("urn:acme:calendar",)
