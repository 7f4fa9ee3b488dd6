"""The identity provider: who signs in, and what the tokens say."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.demo_sites.conftest import SIGN_IN_CALLBACK
from tests.demo_sites.journeys import (
    ask,
    authorized,
    exchange_of,
    sign_in,
    token_request,
    tokens_of,
)
from tests.fixtures.browsing import browser, get, query_of, submit
from tests.fixtures.demo_sites import IdentityProvider


def verified(idp: IdentityProvider, token: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(get(f"{idp.url}/.well-known/jwks.json").json())
    return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


def userinfo(idp: IdentityProvider, access_token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {access_token}"}
    return get(f"{idp.url}/oauth2/userinfo", headers=headers)


def test_discovery_says_what_there_is_and_nothing_more(idp: IdentityProvider) -> None:
    found = get(idp.discovery_url).json()

    assert found == {
        "issuer": idp.url,
        "authorization_endpoint": f"{idp.url}/oauth2/authorize",
        "token_endpoint": f"{idp.url}/oauth2/token",
        "userinfo_endpoint": f"{idp.url}/oauth2/userinfo",
        "end_session_endpoint": f"{idp.url}/oauth2/logout",
        "revocation_endpoint": f"{idp.url}/oauth2/revoke",
        "jwks_uri": f"{idp.url}/.well-known/jwks.json",
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "scopes_supported": ["openid", "profile", "groups", "offline_access"],
        "claims_supported": [
            *("aud", "auth_time", "exp", "iat", "iss", "jti", "nonce", "sub"),
            *("name", "given_name", "family_name", "preferred_username", "groups"),
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def test_the_issuer_does_not_follow_the_host_header(idp: IdentityProvider) -> None:
    port = httpx.URL(idp.url).port or 0

    refused = get(idp.discovery_url, headers={"Host": "attacker.example"})
    other_port = get(idp.discovery_url, headers={"Host": f"localhost:{port + 1}"})

    assert refused.status_code == 400
    assert other_port.json()["issuer"] == idp.url
    assert str(port + 1) not in other_port.text


def test_the_id_token_names_the_person_and_answers_the_request(idp: IdentityProvider) -> None:
    tokens = tokens_of(idp, "bob")

    claims = verified(idp, tokens["id_token"])

    assert claims["iss"] == idp.url
    assert claims["aud"] == idp.client_id
    assert claims["nonce"] == "n-0815"
    assert claims["name"] == "Bob Brown"
    assert claims["preferred_username"] == "bob"
    assert claims["groups"] == ["staff"]


def test_the_access_token_carries_what_an_api_decides_by(idp: IdentityProvider) -> None:
    tokens = tokens_of(idp, "alice")

    claims = verified(idp, tokens["access_token"])

    assert claims["iss"] == idp.url
    assert claims["aud"] == "daiko"
    assert claims["client_id"] == idp.client_id
    assert claims["scope"] == "openid profile groups"
    assert claims["groups"] == ["admins", "staff"]
    assert claims["name"] == "Alice Adams"
    assert claims["preferred_username"] == "alice"
    assert claims["jti"]
    assert claims["exp"] - claims["iat"] == tokens["expires_in"] == 90


def test_a_person_without_groups_has_an_empty_list(idp: IdentityProvider) -> None:
    assert verified(idp, tokens_of(idp, "charlie")["access_token"])["groups"] == []


def test_what_was_not_asked_for_is_not_told(idp: IdentityProvider) -> None:
    tokens = tokens_of(idp, "alice", scope="openid")

    for claims in (
        verified(idp, tokens["access_token"]),
        verified(idp, tokens["id_token"]),
        userinfo(idp, tokens["access_token"]).json(),
    ):
        assert not claims.keys() & {"groups", "name", "preferred_username"}


def test_the_subject_is_opaque_and_the_same_everywhere_and_every_time(
    idp: IdentityProvider,
) -> None:
    first, second = tokens_of(idp, "bob"), tokens_of(idp, "bob")

    [[stored, key]] = idp.sql("SELECT sub, id FROM demo_idp_user WHERE username = 'bob'")
    assert stored not in {"bob", str(key)} and len(stored) >= 20
    assert {
        verified(idp, first["id_token"])["sub"],
        verified(idp, first["access_token"])["sub"],
        verified(idp, second["access_token"])["sub"],
        userinfo(idp, first["access_token"]).json()["sub"],
    } == {stored}


def test_userinfo_refuses_a_token_that_is_none(idp: IdentityProvider) -> None:
    assert userinfo(idp, "made-up").status_code == 401


def test_a_person_who_is_signed_in_is_not_asked_again(idp: IdentityProvider) -> None:
    asked = ask(idp)
    with browser(idp.url) as client:
        to_sign_in = client.get(asked.path)
        sign_in(client, idp, "bob", then=asked.path)
        answer = client.get(ask(idp, state="second").path)

    assert to_sign_in.headers["location"].startswith("/sign-in/?next=")
    assert answer.headers["location"].startswith(f"{SIGN_IN_CALLBACK}?")
    assert query_of(answer)["state"] == "second"


def test_prompt_login_asks_for_the_password_again(idp: IdentityProvider) -> None:
    asked = ask(idp, prompt="login", max_age="0")
    with browser(idp.url) as client:
        sign_in(client, idp, "bob")
        idp.sql("UPDATE demo_idp_user SET last_login = last_login - interval '1 hour'")
        asked_again = client.get(asked.path)
        page = client.get(asked_again.headers["location"])
        confirmed = submit(client, page, button="Confirm", fill={"password": idp.passwords["bob"]})
        answer = client.get(confirmed.headers["location"])

    assert "You are signed in as Bob Brown" in page.text
    tokens = token_request(idp, exchange_of(asked, query_of(answer)["code"])).json()
    claims = verified(idp, tokens["id_token"])
    assert claims["iat"] - 60 <= claims["auth_time"] <= claims["iat"]


def test_whoever_was_not_asked_again_signed_in_when_they_did(idp: IdentityProvider) -> None:
    with browser(idp.url) as client:
        sign_in(client, idp, "bob")
        idp.sql("UPDATE demo_idp_user SET last_login = last_login - interval '1 hour'")
        asked = ask(idp)
        code = query_of(client.get(asked.path))["code"]

    claims = verified(idp, token_request(idp, exchange_of(asked, code)).json()["id_token"])

    assert claims["auth_time"] < claims["iat"] - 3000


def test_the_wrong_password_opens_no_session(idp: IdentityProvider) -> None:
    with browser(idp.url) as client:
        page = client.get("/sign-in/")
        refused = submit(
            client, page, button="Sign in", fill={"login": "charlie", "password": "wrong"}
        )
        asked = client.get(ask(idp).path)

    assert refused.status_code == 200 and "not correct" in refused.text
    assert asked.headers["location"].startswith("/sign-in/")


def test_a_sign_in_without_its_csrf_token_is_refused(idp: IdentityProvider) -> None:
    with browser(idp.url) as client:
        client.get("/sign-in/")
        fill = {"login": "bob", "password": idp.passwords["bob"]}
        refused = client.post("/sign-in/", data=fill)

    assert refused.status_code == 403
    assert "demo_idp_session" not in refused.cookies


def test_the_cookies_are_the_sites_own_and_closed_to_scripts(idp: IdentityProvider) -> None:
    with browser(idp.url) as client:
        csrf = client.get("/sign-in/").headers.get_list("set-cookie")
        session = sign_in(client, idp, "bob").headers.get_list("set-cookie")

    cookies = {cookie.partition("=")[0]: cookie for cookie in csrf + session}
    assert cookies.keys() == {"demo_idp_csrf", "demo_idp_session"}
    for cookie in cookies.values():
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


@pytest.mark.parametrize(
    "path", ["/signup/", "/sign-up/", "/password/reset/", "/email/", "/oauth2/device", "/admin/"]
)
def test_there_is_no_other_way_in(idp: IdentityProvider, path: str) -> None:
    assert get(f"{idp.url}{path}").status_code == 404


def test_a_second_start_keeps_people_and_their_subjects(idp: IdentityProvider) -> None:
    before = idp.sql("SELECT username, sub, password FROM demo_idp_user ORDER BY username")

    idp.restart()

    assert idp.sql("SELECT username, sub, password FROM demo_idp_user ORDER BY username") == before
    assert tokens_of(idp, "alice")["id_token"]


def test_the_client_can_authenticate_in_the_body_too(idp: IdentityProvider) -> None:
    asked, answer = authorized(idp, "bob")
    in_body = {"client_id": idp.client_id, "client_secret": idp.client_secret}

    answered = token_request(idp, exchange_of(asked, answer["code"]) | in_body, auth=None)

    assert answered.status_code == 200
