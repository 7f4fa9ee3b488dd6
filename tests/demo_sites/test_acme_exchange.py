"""Acme: what a client gets for a person's token of the identity provider (RFC 8693, RFC 7523)."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from demo.acme.scopes import JWT_BEARER, TOKEN_EXCHANGE
from tests.demo_sites.journeys import events, token_request
from tests.fixtures.demo_sites import Acme
from tests.fixtures.issuer import Issuer, signing_key

TYPES = "urn:ietf:params:oauth:token-type:"


def jwt_of(acme: Acme, issuer: Issuer, **claims: Any) -> str:
    return issuer.token(**{"preferred_username": "bob", "aud": acme.client_id} | claims)


def exchanged(acme: Acme, token: str, **changed: str) -> httpx.Response:
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": token,
        "subject_token_type": TYPES + "jwt",
        "scope": "calendar.read",
    }
    return token_request(acme, form | changed)


def asserted(acme: Acme, token: str) -> httpx.Response:
    form = {"grant_type": JWT_BEARER, "assertion": token, "scope": "calendar.read"}
    return token_request(acme, form)


def test_a_persons_token_is_exchanged_for_one_that_opens_their_calendar(
    acme: Acme, customers_issuer: Issuer
) -> None:
    answer = exchanged(acme, jwt_of(acme, customers_issuer)).raise_for_status().json()

    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 120)
    assert answer["issued_token_type"] == TYPES + "access_token"
    assert (answer["scope"], "refresh_token" in answer) == ("calendar.read", False)
    assert events(acme, answer["access_token"]).json()["account"] == "bob@acme.example"


def test_an_assertion_does_the_same(acme: Acme, customers_issuer: Issuer) -> None:
    answer = asserted(acme, jwt_of(acme, customers_issuer)).raise_for_status().json()

    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert events(acme, answer["access_token"]).json()["account"] == "bob@acme.example"


def test_the_actor_is_the_client_by_a_token_of_its_own(
    acme: Acme, customers_issuer: Issuer
) -> None:
    own = token_request(acme, {"grant_type": "client_credentials", "scope": "status.read"})
    token = jwt_of(acme, customers_issuer)
    actor = {"actor_token": own.json()["access_token"]}

    assert exchanged(acme, token, **actor, actor_token_type=TYPES + "access_token").is_success
    for bad in ({"actor_token": "made-up", "actor_token_type": TYPES + "access_token"}, actor):
        refused = exchanged(acme, token, **bad)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-client"},
        {"iss": "https://another.example"},
        {"exp": int(time.time()) - 600},
        {"preferred_username": "nobody"},
        {"preferred_username": None},
    ],
)
def test_a_token_that_is_not_good_for_this_is_refused_by_both(
    claims: dict[str, Any], acme: Acme, customers_issuer: Issuer
) -> None:
    token = jwt_of(acme, customers_issuer, **claims)

    for refused in (exchanged(acme, token), asserted(acme, token)):
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


def test_a_token_that_somebody_else_signed_is_refused(acme: Acme, customers_issuer: Issuer) -> None:
    token = jwt_of(acme, customers_issuer)
    forged = customers_issuer.token(preferred_username="bob", key=signing_key("another"))

    for bad in (forged, token[:-8] + "AAAAAAAA", "no-jwt", ""):
        assert exchanged(acme, bad).json()["error"] == "invalid_grant"


def test_a_subject_token_has_to_be_called_what_it_is(acme: Acme, customers_issuer: Issuer) -> None:
    refused = exchanged(
        acme, jwt_of(acme, customers_issuer), subject_token_type=TYPES + "access_token"
    )

    assert refused.json()["error"] == "invalid_request"


def test_what_is_the_clients_own_is_not_had_for_a_persons_token(
    acme: Acme, customers_issuer: Issuer
) -> None:
    refused = exchanged(acme, jwt_of(acme, customers_issuer), scope="status.read")

    assert refused.json()["error"] == "invalid_scope"


def test_where_no_issuer_is_trusted_nothing_is_exchanged(
    strict_acme: Acme, customers_issuer: Issuer
) -> None:
    refused = exchanged(strict_acme, jwt_of(strict_acme, customers_issuer))

    assert refused.json()["error"] == "invalid_grant"
