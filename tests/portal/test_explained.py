"""Whose token an admin may have explained: the people who are signed in here, by their sign-in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from agents.explainer import sources
from portal.errors import SignInExpired
from portal.explained import SignIns
from portal.models import SignIn
from portal.signins import signin_end
from tests.portal.identity_provider import Provider, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = SignIns()


def names(at_most: int = 10) -> list[str]:
    return [person.subject.sub for person in PEOPLE.signed_in(at_most=at_most)]


def test_the_site_tells_the_explainer_who_is_signed_in() -> None:
    assert isinstance(sources.source(), SignIns)


def test_people_are_listed_once_the_newest_sign_in_first(provider: Provider) -> None:
    for name in ("bob", "alice", "bob"):
        sign_in(Client(enforce_csrf_checks=True), provider, name)

    assert names() == ["bob", "alice"]
    assert names(at_most=1) == ["bob"]


def test_the_newest_sign_ins_token_is_the_persons(provider: Provider) -> None:
    for _ in range(2):
        sign_in(Client(enforce_csrf_checks=True), provider, "bob")
    newest = SignIn.objects.select_related("user").order_by("-started_at")[0]

    [bob] = PEOPLE.signed_in(at_most=10)

    assert PEOPLE.token_of(bob) == newest.access_token()


def test_a_token_that_is_about_to_end_is_renewed(provider: Provider) -> None:
    sign_in(Client(enforce_csrf_checks=True), provider, "bob")
    SignIn.objects.update(access_expires_at=timezone.now() + timedelta(seconds=5))
    [bob] = PEOPLE.signed_in(at_most=10)

    PEOPLE.token_of(bob)

    assert provider.refreshed == 1


def test_whoever_signed_out_or_was_switched_off_has_none(provider: Provider) -> None:
    for name in ("alice", "bob"):
        sign_in(Client(enforce_csrf_checks=True), provider, name)
    people = {person.subject.sub: person for person in PEOPLE.signed_in(at_most=10)}
    signin_end(SignIn.objects.select_related("user").get(user__sub="bob"))
    SignIn.objects.get(user__sub="alice").user.delete()

    assert names() == []
    for person in people.values():
        with pytest.raises(SignInExpired):
            PEOPLE.token_of(person)
