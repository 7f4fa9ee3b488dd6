"""The identity provider says that somebody's session is over, without a browser."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from pytest_django import Settings

from agents.models import Agent
from core import audit
from core.models import AuditEvent
from portal.models import SignIn, UsedLogoutToken
from portal.runs import events
from portal.tasks import end_abandoned_signins
from tests.fixtures.issuer import signing_key
from tests.portal.agent import AgentServer, Reply
from tests.portal.conftest import MakePerson
from tests.portal.identity_provider import LOGOUT_EVENT, Provider, sign_in
from tests.portal.site import Got, Site

pytestmark = pytest.mark.django_db

PATH = "/oidc/backchannel-logout/"


def tell(token: str) -> Any:
    """Say it as a provider does: without cookies, and with no token against forged forms."""
    return Client(enforce_csrf_checks=True).post(PATH, {"logout_token": token})


def is_signed_in(visitor: Client) -> bool:
    return visitor.get("/connections/").status_code == 200


def recorded(action: str) -> list[tuple[str, str, str]]:
    found = AuditEvent.objects.filter(action=action).order_by("pk")
    return list(found.values_list("outcome", "reason", "subject_sub"))


def test_it_ends_the_sign_in_of_the_session_and_no_other(
    visitor: Client, provider: Provider
) -> None:
    other = Client()
    sign_in(other, provider, "bob")
    sign_in(visitor, provider, "bob")

    told = tell(provider.logout_token(sid=provider.sids["bob"]))

    assert (told.status_code, told["Cache-Control"], told.content) == (200, "no-store", b"")
    assert not is_signed_in(visitor)
    assert visitor.get("/api/v1/agents").status_code == 401
    assert is_signed_in(other)
    ended = SignIn.objects.get(sid=provider.sids["bob"])
    assert (ended.state, ended.access_sealed, ended.refresh_sealed, ended.id_token_sealed) == (
        "revoked", None, None, None,
    )  # fmt: skip
    assert recorded("person.signin.ended_by_provider") == [("allowed", "", "bob")]


def test_a_person_alone_ends_every_sign_in_of_theirs(visitor: Client, provider: Provider) -> None:
    browsers = [visitor, Client(), Client()]
    for browser in browsers:
        sign_in(browser, provider, "bob")
    alices = Client()
    sign_in(alices, provider, "alice")

    assert tell(provider.logout_token(sub="bob")).status_code == 200

    assert [is_signed_in(browser) for browser in browsers] == [False] * 3
    assert is_signed_in(alices)
    assert len(recorded("person.signin.ended_by_provider")) == 3


def test_a_session_and_a_person_have_to_belong_together(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")

    assert tell(provider.logout_token(sid=provider.sids["bob"], sub="alice")).status_code == 200
    assert is_signed_in(visitor)

    assert tell(provider.logout_token(sid=provider.sids["bob"], sub="bob")).status_code == 200
    assert not is_signed_in(visitor)


def test_a_sign_in_of_whose_session_nothing_is_known_may_be_the_one(
    visitor: Client, provider: Provider
) -> None:
    provider.names_sessions = False
    sign_in(visitor, provider, "bob")

    assert tell(provider.logout_token(sid="a-session")).status_code == 200
    assert is_signed_in(visitor)

    assert tell(provider.logout_token(sid="a-session", sub="bob")).status_code == 200
    assert not is_signed_in(visitor)


def test_the_same_subject_of_another_issuer_stays_signed_in(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")
    sid = provider.sids["bob"]
    signin = SignIn.objects.get()
    signin.user.iss = "https://issuer.example"
    signin.user.save()

    tell(provider.logout_token(sub="bob"))
    tell(provider.logout_token(sid=sid))

    assert SignIn.objects.get().state == "live"


def test_a_session_that_nobody_has_here_is_no_error(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")

    assert tell(provider.logout_token(sid="unknown")).status_code == 200
    assert is_signed_in(visitor)


@pytest.mark.parametrize("typ", [None, "JWT", "logout+jwt", "application/logout+jwt", "LOGOUT+JWT"])
def test_it_takes_the_types_that_providers_send(
    typ: str | None, visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")

    tell(provider.logout_token(sub="bob", options={"header": {"typ": typ}}))

    assert not is_signed_in(visitor)


NOW = int(time.time())


@pytest.mark.parametrize(
    "claims, options, reason",
    [
        ({}, {"header": {"typ": "at+jwt"}}, "not_a_logout_token"),
        ({}, {"header": {"typ": "secevent+jwt"}}, "not_a_logout_token"),
        ({"iss": "https://issuer.example"}, {}, "issuer_mismatch"),
        ({"iss": None}, {}, "issuer_mismatch"),
        ({"aud": "somebody-else"}, {}, "audience_mismatch"),
        ({"aud": ["somebody-else"]}, {}, "audience_mismatch"),
        ({"aud": None}, {}, "audience_mismatch"),
        ({"aud": ["portal", "another"]}, {}, "authorized_party_missing"),
        ({"azp": "another"}, {}, "authorized_party_mismatch"),
        ({"exp": NOW - 61}, {}, "expired"),
        ({"exp": None}, {}, "no_times"),
        ({"iat": None}, {}, "no_times"),
        ({"iat": "now"}, {}, "no_times"),
        ({"iat": NOW + 600}, {}, "not_yet_valid"),
        ({"nbf": NOW + 600}, {}, "not_yet_valid"),
        ({"exp": NOW + 2 * 24 * 3600}, {}, "lives_too_long"),
        ({"exp": 999_999_999_999}, {}, "lives_too_long"),
        ({"events": None}, {}, "no_logout_event"),
        ({"events": [LOGOUT_EVENT]}, {}, "no_logout_event"),
        ({"events": {"https://other.example/event": {}}}, {}, "no_logout_event"),
        ({"events": {LOGOUT_EVENT: True}}, {}, "no_logout_event"),
        ({"nonce": "any"}, {}, "nonce_present"),
        ({"nonce": ""}, {}, "nonce_present"),
        ({"sub": None}, {}, "no_subject_or_session"),
        ({"sub": ""}, {}, "no_subject_or_session"),
        ({"sub": 7}, {}, "no_subject_or_session"),
        ({"sub": "bob\x00"}, {}, "no_subject_or_session"),
        ({"sid": ""}, {}, "no_subject_or_session"),
        ({"sid": ["a"]}, {}, "no_subject_or_session"),
        ({"sid": "x" * 256}, {}, "no_subject_or_session"),
        ({"jti": None}, {}, "no_token_id"),
        ({"jti": ""}, {}, "no_token_id"),
        ({"jti": 7}, {}, "no_token_id"),
        ({}, {"key": signing_key("another")}, "unknown_key"),
        ({}, {"key": signing_key("another"), "header": {"kid": "first"}}, "bad_signature"),
    ],
)
def test_it_refuses_a_token_that_is_wrong_and_nothing_happens(
    claims: dict[str, Any],
    options: dict[str, Any],
    reason: str,
    visitor: Client,
    provider: Provider,
) -> None:
    sign_in(visitor, provider, "bob")

    told = tell(provider.logout_token(**{"sub": "bob", "options": options, **claims}))

    assert (told.status_code, told["Cache-Control"]) == (400, "no-store")
    assert told.json()["error"] == "invalid_request"
    assert told["X-Request-Id"] in told.json()["error_description"]
    assert is_signed_in(visitor)
    assert SignIn.objects.get().state == "live"
    assert not UsedLogoutToken.objects.exists()
    assert recorded("person.logout.refused") == [("refused", reason, "")]


@pytest.mark.parametrize("alg", ["none", "HS256", "HS512"])
def test_it_refuses_a_token_that_no_key_of_the_provider_signed(
    alg: str, visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")

    told = tell(provider.unsigned(provider.logout_token(sub="bob"), alg=alg))

    assert told.status_code == 400
    assert is_signed_in(visitor)
    assert recorded("person.logout.refused") == [("refused", "algorithm_not_allowed", "")]


def test_an_id_token_signs_nobody_out(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")
    hint = SignIn.objects.get().id_token()
    assert hint is not None

    assert tell(hint.reveal()).status_code == 400
    assert is_signed_in(visitor)


@pytest.mark.parametrize(
    "body, reason",
    [
        ({}, "no_logout_token"),
        ({"logout_token": ["a.b.c", "a.b.c"]}, "no_logout_token"),
        ({"logout_token": ""}, "malformed"),
        ({"logout_token": "x"}, "malformed"),
        ({"logout_token": "x" * 20_000}, "malformed"),
    ],
)
def test_it_refuses_what_is_no_token(
    body: dict[str, Any], reason: str, visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")

    told = Client().post(PATH, body)

    assert told.status_code == 400
    assert is_signed_in(visitor)
    assert recorded("person.logout.refused") == [("refused", reason, "")]


def test_a_link_signs_nobody_out(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")

    told = Client().get(PATH, {"logout_token": provider.logout_token(sub="bob")})

    assert told.status_code == 405
    assert is_signed_in(visitor)


def test_a_token_is_obeyed_once(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")
    token = provider.logout_token(sub="bob")
    assert tell(token).status_code == 200
    sign_in(visitor, provider, "bob")

    again = tell(token)

    assert again.status_code == 400
    assert is_signed_in(visitor)
    assert recorded("person.logout.refused") == [("refused", "token_replayed", "")]


def test_a_used_token_is_remembered_until_its_time_is_over(
    visitor: Client, provider: Provider
) -> None:
    tell(provider.logout_token(sub="bob", exp=int(time.time()) + 300))
    tell(provider.logout_token(sub="bob", exp=int(time.time()) - 50))
    assert UsedLogoutToken.objects.count() == 2

    end_abandoned_signins()
    assert UsedLogoutToken.objects.count() == 2  # both would still pass

    first = UsedLogoutToken.objects.order_by("forget_at").values_list("pk", flat=True)[0]
    UsedLogoutToken.objects.filter(pk=first).update(forget_at="2020-01-01T00:00:00Z")
    end_abandoned_signins()
    assert UsedLogoutToken.objects.count() == 1


def test_a_provider_whose_keys_cannot_be_had_signs_nobody_out(
    visitor: Client, provider: Provider
) -> None:
    token = provider.logout_token(sub="bob")
    provider.issuer.answer("/.well-known/openid-configuration", {}, status=503)

    told = tell(token)

    assert (told.status_code, told.json()["error"]) == (400, "provider_away")
    assert recorded("person.logout.refused") == [("failed", "provider_away", "")]


def test_a_trail_that_cannot_be_written_ends_nothing_and_leaves_the_token_good(
    visitor: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(visitor, provider, "bob")
    token = provider.logout_token(sub="bob")

    def away(event: audit.Event) -> None:
        raise audit.AuditUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(audit, "record", away)
        assert tell(token).status_code == 400
    assert is_signed_in(visitor)

    assert tell(token).status_code == 200
    assert not is_signed_in(visitor)


@pytest.mark.django_db(transaction=True)
def test_a_stranger_who_keeps_coming_back_is_counted_and_a_provider_still_heard(
    site: Site, visitor: Client, provider: Provider, settings: Settings
) -> None:
    settings.DAIKO_REFUSALS_PER_MINUTE = 2
    sign_in(visitor, provider, "bob")

    told = [site.ask(PATH, method="POST") for _ in range(4)]

    assert [answer.status for answer in told] == [400, 400, 429, 429]
    assert told[-1].headers["retry-after"].isdigit()
    assert len(recorded("person.logout.refused")) == 2
    assert tell(provider.logout_token(sub="bob")).status_code == 200
    assert not is_signed_in(visitor)


@pytest.fixture
def _half_a_second_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "FRESH_S", 0.0)


@pytest.mark.usefixtures("_half_a_second_is_over")
@pytest.mark.django_db(transaction=True)
def test_an_answer_that_streams_is_cut_before_it_tells_more(
    site: Site,
    agent: Agent,
    agent_server: AgentServer,
    person: MakePerson,
    provider: Provider,
) -> None:
    begun = threading.Event()

    def in_two_halves(reply: Reply) -> None:
        reply.stream("First.")
        reply.wait_to_go_on()
        reply.event("told after the sign-out")

    agent_server.behaviour = in_two_halves
    bob = person("bob")
    run = bob.say(bob.begin(agent), "Hello")

    def once_begun(got: Got) -> bool:
        if got.named("block"):
            begun.set()
        return False

    def sign_out_and_go_on() -> None:
        try:
            assert begun.wait(10)
            assert tell(provider.logout_token(sid=provider.sids["bob"])).status_code == 200
        finally:
            connections.close_all()
            agent_server.may_go_on.set()

    telling = threading.Thread(target=sign_out_and_go_on)
    telling.start()
    got = site.events(run, bob.browser, until=once_begun)
    telling.join()

    assert got.blocks
    assert got.named("signed_out")
    assert "told after the sign-out" not in got.body.decode()
