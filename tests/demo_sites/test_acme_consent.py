"""Acme: who is asked for consent, and what goes back to the client."""

from __future__ import annotations

import pytest
from authlib.oauth2 import rfc9207
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from tests.demo_sites.conftest import CONSENT_CALLBACK
from tests.demo_sites.journeys import ask, sign_in, signed_in
from tests.fixtures.browsing import browser, forms, get, query_of, submit
from tests.fixtures.demo_sites import Acme

BOB = "bob@acme.example"


def codes_stored(acme: Acme) -> int:
    [[count]] = acme.sql("SELECT count(*) FROM acme_authorizationcode")
    return int(count)


def test_the_metadata_says_what_there_is(acme: Acme) -> None:
    found = get(acme.metadata_url).json()

    AuthorizationServerMetadata(found).validate([rfc9207.AuthorizationServerMetadata])
    assert found == {
        "issuer": acme.url,
        "authorization_endpoint": f"{acme.url}/oauth2/authorize",
        "token_endpoint": f"{acme.url}/oauth2/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint": f"{acme.url}/oauth2/revoke",
        "revocation_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
        ],
        "scopes_supported": ["calendar.read", "calendar.write", "status.read"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


def test_the_page_names_the_client_and_says_what_it_may_do(acme: Acme) -> None:
    with signed_in(acme, BOB) as client:
        page = client.get(ask(acme, scope="calendar.read calendar.write").path)

    assert "Daiko" in page.text
    assert "See the events in your calendar" in page.text
    assert "Add events to your calendar and change them" in page.text
    assert f"Signed in as {BOB}" in page.text
    assert forms(page)[0].buttons.keys() == {"Allow", "Deny"}


def test_a_stranger_signs_in_first_and_comes_back_to_the_question(acme: Acme) -> None:
    asked = ask(acme)
    with browser(acme.url) as client:
        to_sign_in = client.get(asked.path)
        back = sign_in(client, acme, BOB, then=asked.path)

    assert to_sign_in.headers["location"].startswith("/sign-in/?next=")
    assert back.headers["location"] == asked.path


def test_allow_sends_a_code_the_state_and_the_issuer(acme: Acme) -> None:
    with signed_in(acme, BOB) as client:
        answer = submit(client, client.get(ask(acme).path), button="Allow")

    assert answer.headers["location"].startswith(f"{CONSENT_CALLBACK}?")
    assert query_of(answer).keys() == {"code", "state", "iss"}
    assert query_of(answer)["state"] == "st-4711"
    assert query_of(answer)["iss"] == acme.url


def test_deny_sends_access_denied_with_the_issuer_and_makes_no_code(acme: Acme) -> None:
    before = codes_stored(acme)
    with signed_in(acme, BOB) as client:
        answer = query_of(submit(client, client.get(ask(acme).path), button="Deny"))

    assert answer["error"] == "access_denied"
    assert answer["state"] == "st-4711"
    assert answer["iss"] == acme.url
    assert codes_stored(acme) == before


def test_a_form_that_says_neither_is_a_denial(acme: Acme) -> None:
    with signed_in(acme, BOB) as client:
        page = client.get(ask(acme).path)
        answer = client.post(page.url, data=forms(page)[0].fields)

    assert query_of(answer)["error"] == "access_denied"


def test_consent_without_the_csrf_token_is_refused(acme: Acme) -> None:
    before = codes_stored(acme)
    with signed_in(acme, BOB) as client:
        answer = client.post(ask(acme).path, data={"decision": "allow"})

    assert answer.status_code == 403 and "location" not in answer.headers
    assert codes_stored(acme) == before


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "a" * 44}, "invalid_request"),
        ({"scope": "calendar.read mail.read"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": 'co"de'}, "unsupported_response_type"),
    ],
)
def test_an_unsound_request_goes_back_with_its_error_and_the_issuer(
    acme: Acme, changes: dict[str, str | None], error: str
) -> None:
    with signed_in(acme, BOB) as client:
        answer = query_of(client.get(ask(acme, **changes).path))

    assert (answer["error"], answer["iss"], answer["state"]) == (error, acme.url, "st-4711")
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://attacker.example/callback"},
        {"redirect_uri": f"{CONSENT_CALLBACK}/"},
        {"redirect_uri": f"{CONSENT_CALLBACK}?more=1"},
        {"redirect_uri": CONSENT_CALLBACK.replace(":9/", ":10/")},
        {"redirect_uri": 'http://localhost:9/"'},
        {"redirect_uri": None},
        {"client_id": "somebody"},
        {"client_id": None},
        {"client_id": "somebody", "response_type": "token"},
    ],
)
def test_nothing_is_sent_to_an_address_that_is_not_registered(
    acme: Acme, changes: dict[str, str | None]
) -> None:
    with signed_in(acme, BOB) as client:
        answer = client.get(ask(acme, **changes).path)

    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "attacker.example" not in answer.text


def test_a_parameter_given_twice_is_refused(acme: Acme) -> None:
    with signed_in(acme, BOB) as client:
        answer = client.get(ask(acme).path + "&scope=calendar.write")

    assert answer.status_code == 400 and "location" not in answer.headers


def test_another_account_can_be_used_without_losing_the_question(acme: Acme) -> None:
    asked = ask(acme)
    with browser(acme.url) as client:
        sign_in(client, acme, BOB)
        left = submit(client, client.get(asked.path), button="Use another account")
        asked_again = client.get(left.headers["location"])

    assert left.headers["location"] == asked.path
    assert asked_again.headers["location"].startswith("/sign-in/?next=")


def test_an_account_of_the_identity_provider_is_none_of_acmes(acme: Acme) -> None:
    with browser(acme.url) as client:
        page = client.get("/sign-in/")
        fill = {"username": "bob", "password": acme.passwords[BOB]}
        refused = submit(client, page, button="Sign in", fill=fill)

    assert refused.status_code == 200
    assert "acme_session" not in refused.cookies
