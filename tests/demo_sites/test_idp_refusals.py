"""The identity provider: what it refuses, and that nothing comes of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.demo_sites.journeys import (
    ask,
    authorized,
    exchange,
    exchange_of,
    refresh,
    revoke,
    signed_in,
    token_request,
    tokens_of,
)
from tests.fixtures.browsing import get, query_of
from tests.fixtures.demo_sites import IdentityProvider


def tokens_stored(idp: IdentityProvider) -> int:
    [[count]] = idp.sql("SELECT count(*) FROM allauth_idp_oidc_token")
    return int(count)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"code_challenge": None, "code_challenge_method": None}, id="no PKCE"),
        pytest.param({"code_challenge": None}, id="no challenge"),
        pytest.param({"code_challenge_method": None}, id="no method, which means plain"),
        pytest.param({"code_challenge_method": "plain"}, id="plain"),
        pytest.param({"code_challenge": "short"}, id="not a SHA-256"),
    ],
)
def test_a_request_without_s256_gets_no_code(
    idp: IdentityProvider, changes: dict[str, str | None]
) -> None:
    with signed_in(idp, "bob") as client:
        answer = query_of(client.get(ask(idp, **changes).path))

    assert answer["error"] == "invalid_request"
    assert answer["state"] == "st-4711"
    assert "code" not in answer


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://attacker.example/oidc/callback/",
        "http://localhost:10/oidc/callback/",  # a loopback port of somebody else
        "http://localhost:9/oidc/callback/?next=https://attacker.example",
        "http://localhost:9/oidc/callback",
        None,
    ],
)
def test_an_address_that_is_not_registered_gets_nothing(
    idp: IdentityProvider, redirect_uri: str | None
) -> None:
    with signed_in(idp, "bob") as client:
        answer = client.get(ask(idp, redirect_uri=redirect_uri).path)

    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "attacker.example" not in answer.text


def test_an_unknown_client_gets_a_page_and_no_redirect(idp: IdentityProvider) -> None:
    with signed_in(idp, "bob") as client:
        answer = client.get(ask(idp, client_id="somebody").path)

    assert answer.status_code == 400 and "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "openid email"}, "invalid_scope"),
        ({"response_type": "token"}, "unauthorized_client"),
        ({"response_type": "code id_token"}, "unauthorized_client"),
        ({"resource": "https://other.example"}, None),
    ],
)
def test_what_the_client_may_not_ask_is_not_given(
    idp: IdentityProvider, changes: dict[str, str], error: str | None
) -> None:
    with signed_in(idp, "bob") as client:
        answer = client.get(ask(idp, **changes).path)

    if error is None:
        assert answer.status_code == 400
    else:
        assert query_of(answer)["error"] == error


def test_the_wrong_verifier_earns_no_token(idp: IdentityProvider) -> None:
    asked, answer = authorized(idp, "bob")
    before = tokens_stored(idp)

    refused = exchange(idp, asked, answer["code"], code_verifier="a" * 43)

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert tokens_stored(idp) == before


def test_the_wrong_secret_earns_no_token(idp: IdentityProvider) -> None:
    asked, answer = authorized(idp, "bob")
    wrong = (idp.client_id, "wrong" * 8)

    refused = token_request(idp, exchange_of(asked, answer["code"]), auth=wrong)

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_a_code_is_spent_once_even_by_ten_at_a_time(idp: IdentityProvider) -> None:
    asked, answer = authorized(idp, "bob")

    with ThreadPoolExecutor(10) as crowd:
        answers = list(crowd.map(lambda _: exchange(idp, asked, answer["code"]), range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9


def test_a_refresh_rotates_and_the_old_token_is_worth_nothing(idp: IdentityProvider) -> None:
    first = tokens_of(idp, "bob")

    second = refresh(idp, first["refresh_token"]).json()
    again = refresh(idp, first["refresh_token"])

    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_refresh_token_is_spent_once_even_by_ten_at_a_time(idp: IdentityProvider) -> None:
    first = tokens_of(idp, "bob")

    with ThreadPoolExecutor(10) as crowd:
        answers = list(crowd.map(lambda _: refresh(idp, first["refresh_token"]), range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9


def test_a_revoked_refresh_token_is_refused(idp: IdentityProvider) -> None:
    tokens = tokens_of(idp, "bob")

    revoked = revoke(idp, tokens["refresh_token"])

    assert revoked.status_code == 200
    assert refresh(idp, tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_other_grants_are_not_offered(idp: IdentityProvider) -> None:
    for grant_type in ("password", "client_credentials", "implicit"):
        data = {"grant_type": grant_type, "username": "bob", "password": idp.passwords["bob"]}
        assert token_request(idp, data).status_code in {400, 401}


def test_the_database_holds_no_token_and_no_password(idp: IdentityProvider) -> None:
    tokens = tokens_of(idp, "alice")
    secrets = [tokens["refresh_token"], tokens["access_token"], idp.client_secret]
    secrets += idp.passwords.values()

    stored = idp.dump()

    assert "Alice" in stored
    assert not [secret for secret in secrets if secret in stored]


def test_the_log_holds_no_secret(idp: IdentityProvider) -> None:
    asked, answer = authorized(idp, "alice")
    tokens = exchange(idp, asked, answer["code"]).json()
    exchange(idp, asked, answer["code"])
    get(f"{idp.url}/nothing/here", headers={"Authorization": tokens["access_token"]})

    log = idp.child.log.read_text()

    assert "/nothing/here" in log
    assert not [
        secret
        for secret in (answer["code"], asked.pkce.verifier, idp.client_secret, *tokens.values())
        if str(secret) in log and len(str(secret)) > 10
    ]
