"""A sign-in that comes to nothing is a page: what happened, what to do, and a reference."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from core import audit
from core.audit import AuditUnavailable
from core.models import AuditEvent, User
from portal.models import SignIn
from portal.signin_failures import FAILURES
from portal.signins import signin_end
from tests.portal.identity_provider import Provider, begin_sign_in, sign_in
from tests.portal.site import Site

pytestmark = pytest.mark.django_db

CALLBACK = "/oidc/callback/"
NEXT = "/connections/?a=1"
TRY_AGAIN = '/oidc/authenticate/?next=%2Fconnections%2F%3Fa%3D1">Try again'
ANEW = '/oidc/authenticate/?next=%2F">Try again'

Fail = Callable[[Client, Provider], Any]


def begun(visitor: Client, provider: Provider) -> dict[str, str]:
    return provider.callback_for(begin_sign_in(visitor, next_path=NEXT), "bob")


def state_of_another(visitor: Client, provider: Provider) -> Any:
    query = begun(Client(), provider)
    begin_sign_in(visitor)
    return visitor.get(CALLBACK, query)


def reloaded(visitor: Client, provider: Provider) -> Any:
    query = begun(visitor, provider)
    visitor.get(CALLBACK, {**query, "iss": "https://evil.example"})
    visitor.get(CALLBACK, {**query, "code": "wrong"})
    return visitor.get(CALLBACK, query)


def cookie_missing(visitor: Client, provider: Provider) -> Any:
    query = begun(visitor, provider)
    return Client().get(CALLBACK, query)


def said(error: str) -> Fail:
    def fail(visitor: Client, provider: Provider) -> Any:
        state = begun(visitor, provider)["state"]
        words = {"error": error, "error_description": "<b>Sorry</b>", "state": state}
        return visitor.get(CALLBACK, words)

    return fail


def away_at_the_start(visitor: Client, provider: Provider) -> Any:
    provider.issuer.answer("/.well-known/openid-configuration", {}, status=503)
    return visitor.get("/oidc/authenticate/", {"next": NEXT})


def away_at_the_end(visitor: Client, provider: Provider) -> Any:
    query = begun(visitor, provider)
    provider.token_status = 502
    return visitor.get(CALLBACK, query)


def misconfigured(visitor: Client, provider: Provider) -> Any:
    del provider.issuer.metadata["authorization_endpoint"]
    return visitor.get("/oidc/authenticate/")


def wrong_secret(visitor: Client, provider: Provider) -> Any:
    query = begun(visitor, provider)
    provider.issuer.answer("/token", {"error": "invalid_client"}, method="POST", status=401)
    return visitor.get(CALLBACK, query)


def code_unknown(visitor: Client, provider: Provider) -> Any:
    return visitor.get(CALLBACK, {**begun(visitor, provider), "code": "stolen"})


def code_missing(visitor: Client, provider: Provider) -> Any:
    query = begun(visitor, provider)
    del query["code"]
    return visitor.get(CALLBACK, query)


def forged(**claims: Any) -> Fail:
    def fail(visitor: Client, provider: Provider) -> Any:
        provider.forgery.claims = claims
        return visitor.get(CALLBACK, begun(visitor, provider))

    return fail


def another_provider(visitor: Client, provider: Provider) -> Any:
    return visitor.get(CALLBACK, {**begun(visitor, provider), "iss": "https://evil.example"})


NOW = int(time.time())
UNVERIFIED = "could not be verified"
AN_ADMINISTRATOR = "tell an administrator the reference below"


@pytest.mark.parametrize(
    "fail, status, reason, heading, to_do, link",
    [
        (state_of_another, 400, "state_mismatch", "This sign-in is over", "try again", ANEW),
        (reloaded, 400, "state_mismatch", "This sign-in is over", "in one window", ANEW),
        (cookie_missing, 400, "cookie_missing", "Your browser does not know this sign-in",
         "allow cookies for this site", ANEW),
        (said("access_denied"), 403, "denied_at_provider", "The sign-in was cancelled",
         "ask whoever looks after that service", TRY_AGAIN),
        (said("login_required"), 403, "provider_refused", "You were not let in",
         AN_ADMINISTRATOR, TRY_AGAIN),
        (said("temporarily_unavailable"), 503, "provider_away",
         "Signing in does not work right now", "in a few minutes", TRY_AGAIN),
        (said("server_error"), 503, "provider_away", "Signing in does not work right now",
         "in a few minutes", TRY_AGAIN),
        (said("invalid_scope"), 502, "provider_misconfigured",
         "Signing in is not set up correctly", "Tell one the reference below", None),
        (away_at_the_end, 503, "provider_away", "Signing in does not work right now",
         "in a few minutes", TRY_AGAIN),
        (wrong_secret, 502, "provider_misconfigured", "Signing in is not set up correctly",
         "Only an administrator can put this right", None),
        (code_unknown, 403, "code_refused", "This sign-in could not be finished",
         "try again", TRY_AGAIN),
        (code_missing, 403, "incomplete_response", "You could not be signed in",
         AN_ADMINISTRATOR, TRY_AGAIN),
        (forged(exp=NOW - 300), 403, "expired", "The clocks do not agree",
         AN_ADMINISTRATOR, TRY_AGAIN),
        (forged(iat=NOW + 600), 403, "not_yet_valid", "The clocks do not agree",
         "one of the two clocks is wrong", TRY_AGAIN),
        (forged(nonce="another"), 403, "nonce_mismatch", "You could not be signed in",
         UNVERIFIED, TRY_AGAIN),
        (forged(aud="another"), 403, "audience_mismatch", "You could not be signed in",
         AN_ADMINISTRATOR, TRY_AGAIN),
        (another_provider, 403, "response_issuer_mismatch", "You could not be signed in",
         UNVERIFIED, TRY_AGAIN),
    ],
)  # fmt: skip
def test_a_sign_in_that_fails_says_what_happened_and_what_to_do(  # noqa: PLR0917  (a table)
    fail: Fail,
    status: int,
    reason: str,
    heading: str,
    to_do: str,
    link: str | None,
    visitor: Client,
    provider: Provider,
) -> None:
    page = fail(visitor, provider)

    text = page.content.decode()
    assert page.status_code == status
    assert f"<h1>{heading}</h1>" in text
    assert to_do in text
    assert f"<code>{page['X-Request-Id']}</code>" in text
    assert (link is None and "Try again</a>" not in text) or (link and link in text)
    assert "Sorry" not in text
    assert page["Cache-Control"] == "no-store"
    assert not SignIn.objects.exists()
    assert visitor.get("/connections/").status_code == 302
    recorded = AuditEvent.objects.latest("pk")
    assert (recorded.action, recorded.reason) == ("person.signin.refused", reason)
    assert recorded.reference == page["X-Request-Id"]


@pytest.mark.parametrize(
    "fail, status, heading, link",
    [
        (away_at_the_start, 503, "Signing in does not work right now", TRY_AGAIN),
        (misconfigured, 502, "Signing in is not set up correctly", None),
    ],
)
def test_a_sign_in_that_cannot_begin_says_so(  # noqa: PLR0917  (a table)
    fail: Fail,
    status: int,
    heading: str,
    link: str | None,
    visitor: Client,
    provider: Provider,
) -> None:
    page = fail(visitor, provider)

    text = page.content.decode()
    assert page.status_code == status
    assert f"<h1>{heading}</h1>" in text
    assert f"<code>{page['X-Request-Id']}</code>" in text
    assert link is None or link in text


def test_each_failure_that_has_words_of_its_own_is_in_the_table() -> None:
    [table] = [
        mark.args[1]
        for mark in test_a_sign_in_that_fails_says_what_happened_and_what_to_do.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    ]

    # Those of somebody who is signed in already are in tests/portal/test_step_up.py, and that of
    # several providers in tests/portal/test_identity_providers.py.
    elsewhere = {"another_person", "no_auth_time", "stale_sign_in", "another_provider"}
    assert set(FAILURES) - elsewhere <= {reason for _fail, _status, reason, *_ in table}


def test_who_is_switched_off_is_told_so(visitor: Client, provider: Provider) -> None:
    sign_in(Client(), provider, "bob")
    User.objects.update(is_active=False)

    page = sign_in(visitor, provider, "bob")

    text = page.content.decode()
    assert (page.status_code, page["X-Request-Id"] in text) == (403, True)
    assert "<h1>Your account is switched off</h1>" in text
    assert "Use another account" in text


def test_who_does_not_administer_is_told_so(visitor: Client, provider: Provider) -> None:
    sign_in(visitor, provider, "bob")

    page = visitor.get("/admin/")

    text = page.content.decode()
    assert (page.status_code, page["X-Request-Id"] in text) == (403, True)
    assert "This page is for administrators" in text
    assert "ask an administrator, or use another account" in text


def test_a_form_of_another_site_or_without_cookies_is_told_so(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")

    page = visitor.post("/oidc/logout/")

    text = page.content.decode()
    assert (page.status_code, page["X-Request-Id"] in text) == (403, True)
    assert "This form is out of date" in text
    assert "allow cookies for this site" in text
    assert visitor.get("/connections/").status_code == 200


def test_a_form_that_comes_after_the_sign_in_ended_was_not_taken_and_says_so(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")
    token = str(visitor.get("/connections/").context["csrf_token"])
    signin_end(SignIn.objects.get())

    page = visitor.post(
        "/connections/sessions/end-others/",
        {"csrfmiddlewaretoken": token},
        headers={"referer": "http://testserver/connections/sessions/"},
    )

    text = page.content.decode()
    assert page.status_code == 401
    assert "<h1>You are not signed in any more</h1>" in text
    assert "What you just sent was not taken." in text
    assert f"<code>{page['X-Request-Id']}</code>" in text
    assert '/oidc/authenticate/?next=%2Fconnections%2Fsessions%2F">Sign in' in text


def test_a_page_that_is_opened_after_the_sign_in_ended_leads_to_sign_in_and_back(
    visitor: Client, provider: Provider
) -> None:
    sign_in(visitor, provider, "bob")
    signin_end(SignIn.objects.get())

    page = visitor.get(NEXT)

    assert (page.status_code, page["Location"]) == (
        302, "/oidc/authenticate/?next=/connections/%3Fa%3D1",
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_too_many_failures_are_a_page_that_says_when(site: Site, settings: Settings) -> None:
    settings.DAIKO_REFUSALS_PER_MINUTE = 1
    site.ask(f"{CALLBACK}?state=x")

    page = site.ask(f"{CALLBACK}?state=x")

    text = page.body.decode()
    assert page.status == 429
    assert page.headers["retry-after"].isdigit()
    assert "<h1>Too many attempts</h1>" in text
    assert f"<code>{page.headers['x-request-id']}</code>" in text


def test_a_trail_that_cannot_be_written_signs_nobody_in_and_says_what_to_do(
    visitor: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = begun(visitor, provider)

    def away(event: audit.Event) -> None:
        raise AuditUnavailable

    monkeypatch.setattr(audit, "record", away)
    page = visitor.get(CALLBACK, query)

    text = page.content.decode()
    assert page.status_code == 503
    assert "Try again in a moment." in text
    assert f"<code>{page['X-Request-Id']}</code>" in text
    assert not SignIn.objects.exists()
