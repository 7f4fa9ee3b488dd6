"""A browser's session stands for a sign-in, and for nothing once that is over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from core.models import User
from portal.models import SignIn
from portal.signins import signin_end
from portal.tasks import end_abandoned_signins
from tests.portal.identity_provider import Provider, begin_sign_in, sign_in

pytestmark = pytest.mark.django_db


def test_an_ended_sign_in_opens_nothing(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")
    signin_end(SignIn.objects.get())

    page, api = visitor.get("/connections/"), visitor.get("/api/v1/agents")

    assert (page.status_code, page["Location"]) == (
        302, "/oidc/authenticate/?next=/connections/",
    )  # fmt: skip
    assert api.status_code == 401


def test_a_sign_in_that_the_provider_no_longer_renews_opens_nothing(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")
    SignIn.objects.update(state=SignIn.State.LAPSED)

    assert visitor.get("/connections/").status_code == 302


def test_somebody_who_is_switched_off_is_out_at_once(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "alice")
    assert visitor.get("/admin/").status_code == 200
    User.objects.update(is_active=False)

    assert visitor.get("/admin/").status_code == 302
    assert visitor.get("/connections/").status_code == 302
    assert visitor.get("/api/v1/agents").status_code == 401


def test_a_session_does_not_stand_for_somebody_elses_sign_in(
    visitor: Client, provider: Provider
) -> None:
    sign_in(Client(), provider, "alice")
    sign_in(visitor, provider, "bob")
    alices = SignIn.objects.get(user__sub="alice")
    session = visitor.session
    session["signin"] = str(alices.pk)
    session.save()

    assert visitor.get("/connections/").status_code == 302


@pytest.mark.parametrize("value", ["", "no-uuid", None, 7])
def test_a_session_without_a_sign_in_opens_nothing(
    value: object, visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")
    session = visitor.session
    session["signin"] = value
    session.save()

    assert visitor.get("/connections/").status_code == 302


def test_an_api_call_without_a_sign_in_says_where_to_sign_in(visitor: Client) -> None:
    response = visitor.get("/api/v1/agents", headers={"referer": "http://testserver/chat/x/"})

    assert (response.status_code, response.json()) == (
        401,
        {
            "error": "sign_in_required",
            "message": "Please sign in to go on.",
            "sign_in_url": "/oidc/authenticate/?next=%2Fchat%2Fx%2F",
        },
    )


def test_an_api_call_of_another_site_changes_nothing(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")

    response = visitor.post(
        "/api/v1/conversations", {"agent": "x"}, content_type="application/json"
    )

    assert response.status_code == 403


def test_what_is_stored_of_a_session_does_not_open_it(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")
    key = visitor.cookies["daiko_session"].value
    stored = Session.objects.get().session_key

    thief = Client()
    thief.cookies["daiko_session"] = stored

    assert key not in stored
    assert thief.get("/connections/").status_code == 302
    assert visitor.get("/connections/").status_code == 200


def test_a_sign_in_that_no_browser_stands_for_any_more_is_ended(
    visitor: Client, provider: Provider
) -> None:
    sign_in(Client(), provider, "alice")
    sign_in(visitor, provider, "bob")
    long_ago = timezone.now() - timedelta(days=14, minutes=1)
    SignIn.objects.filter(user__sub="alice").update(started_at=long_ago)

    end_abandoned_signins()

    ended, live = SignIn.objects.get(user__sub="alice"), SignIn.objects.get(user__sub="bob")
    assert (ended.state, ended.access_sealed, ended.refresh_sealed) == ("revoked", None, None)
    assert live.state == "live"
    assert visitor.get("/connections/").status_code == 200


def test_a_sign_in_that_nobody_ends_is_soon_forgotten(visitor: Client, provider: Provider) -> None:
    url = begin_sign_in(visitor)
    begun = Session.objects.get()
    assert begun.expire_date < timezone.now() + timedelta(minutes=16)

    visitor.get("/oidc/callback/", provider.callback_for(url, "bob"))

    assert Session.objects.get().expire_date > timezone.now() + timedelta(days=13)


def test_the_session_cookie_is_closed_to_scripts_and_other_sites(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")
    cookie = visitor.cookies["daiko_session"]

    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


@pytest.mark.parametrize(
    "person, status, location",
    [
        ("alice", 302, "/admin/"),
        ("bob", 403, None),
        (None, 302, "/oidc/authenticate/?next=/admin/"),
    ],
)
def test_the_admin_has_no_login_of_its_own(
    person: str | None, status: int, location: str | None, visitor: Client, provider: Provider
) -> None:
    if person:
        sign_in(visitor, provider, person)

    response = visitor.get("/admin/login/?next=/admin/")

    assert (response.status_code, response.get("Location")) == (status, location)


@pytest.mark.parametrize("path", ["/admin/", "/admin/core/auditevent/", "/admin/jsi18n/"])
def test_the_admin_says_at_once_that_it_is_closed_to_people_who_do_not_administer(
    path: str, visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")

    page = visitor.get(path)

    assert page.status_code == 403
    text = page.content.decode()
    assert "This page is for administrators" in text
    assert "You are signed in as Bob" in text
    assert page["X-Request-Id"] in text


def test_whoever_is_not_signed_in_signs_in_and_comes_back_to_the_admin(
    visitor: Client, provider: Provider
) -> None:
    asked = visitor.get("/admin/core/auditevent/", follow=False)
    sign_in_at = visitor.get(asked["Location"])["Location"]
    assert sign_in_at == "/oidc/authenticate/?next=/admin/core/auditevent/"

    url = visitor.get(sign_in_at)["Location"]
    back = visitor.get("/oidc/callback/", provider.callback_for(url, "alice"))

    assert back["Location"] == "/admin/core/auditevent/"
    assert visitor.get(back["Location"]).status_code == 200
