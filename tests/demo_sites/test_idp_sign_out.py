"""The identity provider: RP-initiated logout."""

from __future__ import annotations

import httpx
import pytest

from tests.demo_sites.conftest import SIGNED_OUT
from tests.demo_sites.journeys import ask, exchange, refresh, sign_in
from tests.fixtures.browsing import browser, query_of, submit, with_query
from tests.fixtures.demo_sites import IdentityProvider


def signed_in_with_tokens(client: httpx.Client, idp: IdentityProvider) -> dict[str, str]:
    asked = ask(idp)
    sign_in(client, idp, "bob")
    code = query_of(client.get(asked.path))["code"]
    tokens: dict[str, str] = exchange(idp, asked, code).json()
    return tokens


def is_signed_in(client: httpx.Client, idp: IdentityProvider) -> bool:
    return not client.get(ask(idp).path).headers["location"].startswith("/sign-in/")


def test_a_valid_hint_signs_out_without_a_question(idp: IdentityProvider) -> None:
    with browser(idp.url) as client:
        tokens = signed_in_with_tokens(client, idp)
        params = {
            "id_token_hint": tokens["id_token"],
            "post_logout_redirect_uri": SIGNED_OUT,
            "state": "bye",
        }
        answer = client.get(with_query("/oauth2/logout", params))

        assert answer.headers["location"] == f"{SIGNED_OUT}?state=bye"
        assert not is_signed_in(client, idp)
    assert refresh(idp, tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_without_a_hint_the_person_is_asked_first(idp: IdentityProvider) -> None:
    with browser(idp.url) as client:
        sign_in(client, idp, "bob")
        page = client.get("/oauth2/logout")
        assert is_signed_in(client, idp)

        stayed = submit(client, page, button="Stay signed in")
        assert stayed.is_redirect and is_signed_in(client, idp)

        submit(client, page, button="Sign out")
        assert not is_signed_in(client, idp)


def test_a_hint_about_somebody_else_is_no_answer(idp: IdentityProvider) -> None:
    with browser(idp.url) as bobs, browser(idp.url) as alices:
        of_bob = signed_in_with_tokens(bobs, idp)
        sign_in(alices, idp, "alice")

        page = alices.get(with_query("/oauth2/logout", {"id_token_hint": of_bob["id_token"]}))

        assert page.status_code == 200 and "Alice Adams" in page.text
        assert is_signed_in(alices, idp)


@pytest.mark.parametrize(
    "uri", ["https://attacker.example/", "http://localhost:10/", f"{SIGNED_OUT}?next=elsewhere"]
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(
    idp: IdentityProvider, uri: str
) -> None:
    with browser(idp.url) as client:
        tokens = signed_in_with_tokens(client, idp)
        params = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": uri}
        answer = client.get(with_query("/oauth2/logout", params))

        assert answer.status_code == 400 and "location" not in answer.headers
        assert is_signed_in(client, idp)


def test_signing_out_on_the_own_page_ends_the_session(idp: IdentityProvider) -> None:
    with browser(idp.url) as client:
        sign_in(client, idp, "bob")
        submit(client, client.get("/"), button="Sign out")

        assert not is_signed_in(client, idp)
