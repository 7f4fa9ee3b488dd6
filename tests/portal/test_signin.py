"""Signing in, and everything that is refused on the way."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from core.models import AuditEvent, User
from portal.models import SignIn
from tests.fixtures.issuer import Reply, signing_key
from tests.portal.identity_provider import Provider, begin_sign_in, sign_in
from tests.portal.site import running_site

pytestmark = pytest.mark.django_db


def assert_nobody_signed_in(visitor: Client) -> None:
    assert not User.objects.exists()
    assert not SignIn.objects.exists()
    assert visitor.get("/connections/").status_code == 302


def recorded() -> list[tuple[str, str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", "outcome", "reason"))


def test_it_signs_in_and_goes_back_to_where_the_person_was(
    visitor: Client, provider: Provider
) -> None:
    response = sign_in(visitor, provider, "bob", next_path="/connections/?a=1")

    assert (response.status_code, response["Location"]) == (302, "/connections/?a=1")
    user = User.objects.get()
    assert (user.iss, user.sub, user.name, user.email) == (
        provider.url, "bob", "Bob", "b@x.example",
    )  # fmt: skip
    assert visitor.get("/connections/").status_code == 200
    assert recorded() == [("person.signed_in", "allowed", "")]


@pytest.mark.parametrize("kind", ["RSA", "EC", "OKP"])
def test_it_takes_every_kind_of_key_that_is_allowed(
    kind: str, visitor: Client, provider: Provider
) -> None:
    provider.issuer.keys = [signing_key("other"), signing_key("mine", kind)]
    provider.forgery.options = {"key": provider.issuer.keys[1]}

    assert sign_in(visitor, provider, "bob").status_code == 302


@pytest.mark.parametrize(
    "claims, options, reason",
    [
        ({"aud": "somebody-else"}, {}, "audience_mismatch"),
        ({"aud": ["somebody-else", "another"]}, {}, "audience_mismatch"),
        ({"aud": ["portal", "another"]}, {}, "authorized_party_missing"),
        ({"aud": ["portal", "another"], "azp": "another"}, {}, "authorized_party_mismatch"),
        ({"azp": "another"}, {}, "authorized_party_mismatch"),
        ({"aud": None}, {}, "audience_mismatch"),
        ({"iss": "https://issuer.example"}, {}, "issuer_mismatch"),
        ({"iss": None}, {}, "issuer_mismatch"),
        ({"nonce": "another"}, {}, "nonce_mismatch"),
        ({"nonce": None}, {}, "nonce_mismatch"),
        ({"exp": int(time.time()) - 61}, {}, "expired"),
        ({"exp": None}, {}, "no_times"),
        ({"exp": "soon"}, {}, "no_times"),
        ({"iat": None}, {}, "no_times"),
        ({"iat": int(time.time()) + 600}, {}, "not_yet_valid"),
        ({"nbf": int(time.time()) + 600}, {}, "not_yet_valid"),
        ({"sub": None}, {}, "no_subject"),
        ({"sub": ""}, {}, "no_subject"),
        ({"sub": 7}, {}, "no_subject"),
        ({"sub": "x" * 256}, {}, "no_subject"),
        ({"at_hash": "AAAA"}, {}, "access_token_mismatch"),
        ({}, {"header": {"typ": "at+jwt"}}, "not_an_id_token"),
        ({}, {"key": signing_key("another")}, "unknown_key"),
        ({}, {"key": signing_key("another"), "header": {"kid": "first"}}, "bad_signature"),
    ],
)
def test_it_refuses_an_id_token_that_is_wrong(
    claims: dict[str, Any],
    options: dict[str, Any],
    reason: str,
    visitor: Client,
    provider: Provider,
) -> None:
    provider.forgery.claims, provider.forgery.options = claims, options

    response = sign_in(visitor, provider, "alice")

    assert response.status_code == 403
    assert_nobody_signed_in(visitor)
    assert recorded() == [("person.signin.refused", "refused", reason)]


@pytest.mark.parametrize("alg", ["none", "HS256", "HS512"])
def test_it_refuses_an_id_token_that_no_key_of_the_provider_signed(
    alg: str, visitor: Client, provider: Provider
) -> None:
    good = provider.id_token

    def forged(*args: Any, **kwargs: Any) -> str:
        return provider.unsigned(good(*args, **kwargs), alg=alg)

    provider.id_token = forged  # type: ignore[method-assign]

    assert sign_in(visitor, provider, "alice").status_code == 403
    assert_nobody_signed_in(visitor)
    assert recorded() == [("person.signin.refused", "refused", "algorithm_not_allowed")]


def test_it_refuses_an_answer_without_an_id_token(visitor: Client, provider: Provider) -> None:
    provider.issuer.answer("/token", {"access_token": "at", "token_type": "Bearer"}, method="POST")

    assert sign_in(visitor, provider, "alice").status_code == 403
    assert_nobody_signed_in(visitor)
    assert recorded() == [("person.signin.refused", "refused", "no_id_token")]


def test_it_refuses_a_state_of_another_browser(visitor: Client, provider: Provider) -> None:
    query = provider.callback_for(begin_sign_in(Client()), "alice")
    begin_sign_in(visitor)

    response = visitor.get("/oidc/callback/", query)

    assert response.status_code == 400
    assert_nobody_signed_in(visitor)
    assert provider.issuer.times_asked("/token") == 0
    assert recorded() == [("person.signin.refused", "refused", "state_mismatch")]


@pytest.mark.django_db(transaction=True)
def test_a_stranger_who_keeps_coming_back_is_counted_and_fills_no_trail(
    settings: Settings,
) -> None:
    settings.DAIKO_REFUSALS_PER_MINUTE = 2

    with running_site() as site:
        told = [site.ask("/oidc/callback/?state=x&code=y") for _ in range(5)]

    assert [answer.status for answer in told] == [400, 400, 429, 429, 429]
    assert told[-1].headers["retry-after"].isdigit()
    assert "Too many" in told[-1].body.decode()
    one_by_one = ("person.signin.refused", "refused", "cookie_missing")
    assert recorded() == [one_by_one] * 2 + [("strangers.refused", "refused", "too_many_refusals")]
    counted = AuditEvent.objects.get(action="strangers.refused")
    assert (counted.client_ip, counted.detail) == (
        "127.0.0.1",
        {"calls": 3, "reasons": {"cookie_missing": 3}},
    )


def test_a_callback_works_once(visitor: Client, provider: Provider) -> None:
    query = provider.callback_for(begin_sign_in(visitor), "alice")
    visitor.get("/oidc/callback/", query)

    assert visitor.get("/oidc/callback/", query).status_code == 400
    assert SignIn.objects.count() == 1


def test_a_sign_in_that_took_too_long_is_refused(
    visitor: Client, provider: Provider, time_machine: Any
) -> None:
    query = provider.callback_for(begin_sign_in(visitor), "alice")
    time_machine.move_to(time.time() + 16 * 60)

    assert visitor.get("/oidc/callback/", query).status_code == 400
    assert_nobody_signed_in(visitor)


def test_it_refuses_a_code_that_the_provider_does_not_know(
    visitor: Client, provider: Provider
) -> None:
    query = provider.callback_for(begin_sign_in(visitor), "alice")

    assert visitor.get("/oidc/callback/", {**query, "code": "stolen"}).status_code == 403
    assert_nobody_signed_in(visitor)
    assert recorded() == [("person.signin.refused", "refused", "code_refused")]


def test_it_refuses_an_answer_in_the_name_of_another_issuer(
    visitor: Client, provider: Provider
) -> None:
    query = provider.callback_for(begin_sign_in(visitor), "alice")

    response = visitor.get("/oidc/callback/", {**query, "iss": "https://evil.example"})

    assert response.status_code == 403
    assert_nobody_signed_in(visitor)
    assert provider.issuer.times_asked("/token") == 0


def test_it_wants_the_issuers_name_where_the_provider_announces_it(
    visitor: Client, provider: Provider
) -> None:
    provider.issuer.metadata["authorization_response_iss_parameter_supported"] = True

    assert sign_in(visitor, provider, "alice").status_code == 403
    assert_nobody_signed_in(visitor)
    query = provider.callback_for(begin_sign_in(visitor), "alice")
    assert visitor.get("/oidc/callback/", {**query, "iss": provider.url}).status_code == 302


def test_an_error_of_the_provider_is_a_page_with_a_reference(
    visitor: Client, provider: Provider
) -> None:
    state = provider.callback_for(begin_sign_in(visitor), "alice")["state"]

    response = visitor.get("/oidc/callback/", {"error": "access_denied", "state": state})

    assert response.status_code == 403
    assert response["X-Request-Id"] in response.content.decode()
    assert_nobody_signed_in(visitor)


def test_an_error_that_nobody_asked_for_signs_nobody_out(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")

    response = visitor.get("/oidc/callback/", {"error": "access_denied", "state": "made-up"})

    assert response.status_code == 400
    assert visitor.get("/connections/").status_code == 200


def test_a_provider_that_is_away_is_a_page_that_says_so(
    visitor: Client, provider: Provider
) -> None:
    provider.issuer.answer("/.well-known/openid-configuration", {}, status=503)

    response = visitor.get("/oidc/authenticate/")

    assert response.status_code == 503
    assert "sign-in service does not answer" in response.content.decode()
    assert response["X-Request-Id"] in response.content.decode()


def test_a_provider_that_goes_away_during_the_sign_in_is_a_page_that_says_so(
    visitor: Client, provider: Provider
) -> None:
    query = provider.callback_for(begin_sign_in(visitor), "alice")
    provider.token_status = 502

    assert visitor.get("/oidc/callback/", query).status_code == 503
    assert_nobody_signed_in(visitor)
    assert recorded() == [("person.signin.refused", "failed", "provider_away")]


def test_metadata_of_another_issuer_is_not_used(visitor: Client, provider: Provider) -> None:
    provider.issuer.metadata["issuer"] = "https://issuer.example"

    assert visitor.get("/oidc/authenticate/").status_code == 503


def test_two_people_with_the_same_address_stay_two(visitor: Client, provider: Provider) -> None:
    provider.people["bob"].claims["email"] = "a@x.example"

    sign_in(Client(), provider, "alice")
    sign_in(visitor, provider, "bob")

    assert sorted(User.objects.values_list("sub", "email")) == [
        ("alice", "a@x.example"),
        ("bob", "a@x.example"),
    ]


def test_the_same_subject_of_another_issuer_is_somebody_else(
    visitor: Client, provider: Provider, settings: Settings
) -> None:
    User.objects.create(iss="https://issuer.example", sub="alice", username="other")

    sign_in(visitor, provider, "alice")

    assert User.objects.filter(sub="alice").count() == 2


def test_groups_and_names_are_those_of_the_last_sign_in(
    visitor: Client, provider: Provider
) -> None:
    Group.objects.create(name="unrelated")
    sign_in(visitor, provider, "alice")
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser) == (True, True)

    provider.people["alice"].claims |= {"groups": ["staff", "readers"], "name": "Alice B."}
    sign_in(visitor, provider, "alice")

    user.refresh_from_db()
    assert sorted(user.groups.values_list("name", flat=True)) == ["readers", "staff"]
    assert (user.is_staff, user.is_superuser, user.name) == (False, False, "Alice B.")


@pytest.mark.parametrize("groups", [None, [], "", 7, {"admins": True}, ["x" * 151]])
def test_a_claim_that_names_no_groups_leaves_none(
    groups: Any, visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "alice")
    provider.issuer.answer("/userinfo", {"sub": "alice"})
    provider.people["alice"].claims["groups"] = groups

    sign_in(visitor, provider, "alice")

    user = User.objects.get()
    assert (user.groups.count(), user.is_staff) == (0, False)


def test_what_the_id_token_lacks_comes_from_userinfo(visitor: Client, provider: Provider) -> None:
    provider.people["bob"].claims = {}
    provider.issuer.answer("/userinfo", {"sub": "bob", "name": "Bob U.", "groups": ["staff"]})

    assert sign_in(visitor, provider, "bob").status_code == 302

    user = User.objects.get()
    assert (user.name, list(user.groups.values_list("name", flat=True))) == ("Bob U.", ["staff"])


def test_userinfo_of_somebody_else_is_refused(visitor: Client, provider: Provider) -> None:
    provider.people["bob"].claims = {}
    provider.issuer.answer("/userinfo", {"sub": "alice", "groups": ["admins"]})

    assert sign_in(visitor, provider, "bob").status_code == 403
    assert_nobody_signed_in(visitor)


def test_userinfo_that_is_away_signs_nobody_in_with_fewer_groups(
    visitor: Client, provider: Provider
) -> None:
    provider.people["bob"].claims = {}
    provider.issuer.answer("/userinfo", {}, status=500)

    assert sign_in(visitor, provider, "bob").status_code == 503
    assert_nobody_signed_in(visitor)


def test_somebody_who_was_switched_off_is_not_signed_in(
    visitor: Client, provider: Provider
) -> None:
    sign_in(Client(), provider, "bob")
    User.objects.update(is_active=False)
    provider.people["bob"].claims["name"] = "Changed"

    response = sign_in(visitor, provider, "bob")

    assert response.status_code == 403
    assert "Your account is switched off" in response.content.decode()
    token = str(response.context["csrf_token"])
    another = visitor.post("/oidc/logout/", {"csrfmiddlewaretoken": token})
    assert another["Location"].startswith(f"{provider.url}/logout?client_id=portal&post_logout")
    assert User.objects.get().name == "Bob"
    assert SignIn.objects.count() == 1
    assert recorded()[-1] == ("person.signin.refused", "refused", "person_disabled")
    refused = AuditEvent.objects.latest("pk")
    assert (refused.subject_iss, refused.subject_sub) == (provider.issuer.url, "bob")


def test_tokens_are_in_no_cookie_and_in_no_session(visitor: Client, provider: Provider) -> None:
    tokens: list[str] = []
    issue = provider._issue

    def noting(*args: Any, **kwargs: Any) -> Reply:
        reply = issue(*args, **kwargs)
        tokens.extend(reply.body[name] for name in ("access_token", "refresh_token", "id_token"))
        return reply

    provider._issue = noting  # type: ignore[method-assign]
    sign_in(visitor, provider, "alice")

    kept = [morsel.value for morsel in visitor.cookies.values()]
    kept += [repr(session.get_decoded()) for session in Session.objects.all()]
    kept += [repr(row) for row in SignIn.objects.values()]
    assert len(tokens) == 3
    assert not [token for token in tokens for text in kept if token in text]


def test_a_sign_in_gets_a_new_session_key(visitor: Client, provider: Provider) -> None:
    begin_sign_in(visitor)
    planted = visitor.cookies["daiko_session"].value
    sign_in(visitor, provider, "alice")
    first = visitor.cookies["daiko_session"].value
    sign_in(visitor, provider, "alice")
    second = visitor.cookies["daiko_session"].value

    assert len({planted, first, second}) == 3
    for old in (planted, first):
        stranger = Client()
        stranger.cookies["daiko_session"] = old
        assert stranger.get("/connections/").status_code == 302


def test_signing_in_again_ends_the_sign_in_before(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "alice")
    sign_in(visitor, provider, "bob")

    ended, live = SignIn.objects.order_by("started_at")
    assert (ended.user.sub, ended.state, ended.access_sealed) == ("alice", "revoked", None)
    assert (live.user.sub, live.state) == ("bob", "live")
    assert "Bob" in visitor.get("/connections/").content.decode()


def test_two_tabs_end_where_each_began(visitor: Client, provider: Provider) -> None:
    first = begin_sign_in(visitor, next_path="/connections/")
    second = begin_sign_in(visitor, next_path="/chat/new/greeter/")

    one = visitor.get("/oidc/callback/", provider.callback_for(first, "bob"))
    two = visitor.get("/oidc/callback/", provider.callback_for(second, "bob"))

    assert [one["Location"], two["Location"]] == ["/connections/", "/chat/new/greeter/"]


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "x", ""],
)
def test_signing_in_leads_nowhere_else(elsewhere: str, visitor: Client, provider: Provider) -> None:
    assert sign_in(visitor, provider, "bob", next_path=elsewhere)["Location"] == "/"


def test_the_host_header_has_no_say_in_the_redirect_uri(
    visitor: Client, provider: Provider, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    response = visitor.get("/oidc/authenticate/", headers={"host": "evil.example"})

    assert "evil.example" not in response["Location"]
