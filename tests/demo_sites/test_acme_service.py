"""Acme: what a client gets as itself (RFC 6749 section 4.4)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.demo_sites.journeys import ask, events, revoke, signed_in, token_request, tokens_of
from tests.fixtures.browsing import get, query_of
from tests.fixtures.demo_sites import Acme

BOB = "bob@acme.example"


def own_token(acme: Acme, **changed: Any) -> httpx.Response:
    form = {"grant_type": "client_credentials", "scope": "status.read"}
    return token_request(acme, form, **changed)


def status(acme: Acme, access_token: str) -> httpx.Response:
    return get(f"{acme.url}/api/status", headers={"Authorization": f"Bearer {access_token}"})


def test_a_client_gets_a_token_of_its_own_and_no_refresh_token(acme: Acme) -> None:
    answer = own_token(acme).raise_for_status().json()

    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 120)
    assert (answer["scope"], "refresh_token" in answer) == ("status.read", False)
    assert status(acme, answer["access_token"]).json() == {"status": "open", "accounts": 3}


def test_it_opens_nobodys_calendar_and_nobodys_token_opens_it(acme: Acme) -> None:
    own = own_token(acme).json()["access_token"]

    assert events(acme, own).status_code == 401
    assert status(acme, tokens_of(acme, BOB)["access_token"]).status_code == 401


@pytest.mark.parametrize("scope", ["calendar.read", "status.read calendar.read", ""])
def test_what_is_a_persons_is_not_given_to_a_client(acme: Acme, scope: str) -> None:
    form = {"grant_type": "client_credentials", "scope": scope}

    answer = token_request(acme, form)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_what_is_the_clients_own_no_person_is_asked_for(acme: Acme) -> None:
    with signed_in(acme, BOB) as client:
        answer = client.get(ask(acme, scope="status.read").path)

    assert query_of(answer)["error"] == "invalid_scope"


def test_a_client_that_does_not_prove_itself_gets_nothing(acme: Acme) -> None:
    answer = own_token(acme, auth=(acme.client_id, "wrong"))

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_it_can_be_revoked(acme: Acme) -> None:
    token = own_token(acme).json()["access_token"]

    revoke(acme, token)

    assert status(acme, token).status_code == 401
