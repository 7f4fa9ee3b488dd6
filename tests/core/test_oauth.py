"""What a token endpoint may answer, and what becomes of it (RFC 6749 sections 5.1 and 5.2)."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import http, oauth
from core.dialect import Dialect
from core.oauth import Client, GrantRejected, Misconfigured, TryLater, Unanswered, token_request
from core.secret import Secret
from tests.fixtures.issuer import Issuer

ME = Client("daiko", Secret("p@ss:w ö/d"))
FORM = {"grant_type": "authorization_code", "code": "the-c0de"}
GOOD = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 300}


def ask(issuer: Issuer, client: Client = ME, **form: str) -> oauth.Tokens:
    return token_request(issuer.url + "/token", client=client, form={**FORM, **form})


def answers(issuer: Issuer, body: Any, **reply: Any) -> None:
    issuer.answer("/token", body, method="POST", **reply)


def test_tokens_come_back_as_secrets(issuer: Issuer) -> None:
    answers(issuer, {**GOOD, "refresh_token": "rt-1", "id_token": "it-1", "scope": "a b"})

    tokens = ask(issuer)

    assert (tokens.access, tokens.refresh) == (Secret("at-1"), Secret("rt-1"))
    assert (tokens.id_token, tokens.expires_in_s, tokens.scope) == (Secret("it-1"), 300, "a b")
    assert "at-1" not in repr(tokens)


def test_what_is_not_stated_is_not_made_up(issuer: Issuer) -> None:
    answers(issuer, {"access_token": "at-1", "token_type": "bearer"})

    tokens = ask(issuer)

    assert (tokens.refresh, tokens.id_token, tokens.expires_in_s, tokens.scope) == (None,) * 4


def test_name_and_secret_are_form_encoded_before_they_are_joined(issuer: Issuer) -> None:
    answers(issuer, GOOD)

    ask(issuer)

    sent = issuer.asked[-1]
    name, _, password = base64.b64decode(sent.headers["authorization"][6:]).decode().partition(":")
    assert (name, password) == ("daiko", "p%40ss%3Aw%20%C3%B6%2Fd")
    assert sent.form == FORM


@pytest.mark.parametrize(
    ("client", "sent"),
    [
        (
            Client("daiko", Secret("s"), "client_secret_post"),
            {"client_id": "daiko", "client_secret": "s"},
        ),
        (Client("daiko", None, "client_secret_post"), {"client_id": "daiko"}),
        (Client("daiko", None, "none"), {"client_id": "daiko"}),
        (Client("daiko", None, "client_secret_basic"), {"client_id": "daiko"}),
        (Client("daiko", Secret("s"), "none"), {"client_id": "daiko"}),
    ],
)
def test_each_way_of_naming_the_client(
    issuer: Issuer, client: Client, sent: dict[str, str]
) -> None:
    answers(issuer, GOOD)

    ask(issuer, client)

    assert issuer.asked[-1].form == {**FORM, **sent}
    assert "authorization" not in issuer.asked[-1].headers


def test_an_invalid_grant_means_that_the_person_has_to_be_asked(issuer: Issuer) -> None:
    answers(
        issuer, {"error": "invalid_grant", "error_description": "Token was revoked"}, status=400
    )

    with pytest.raises(GrantRejected) as caught:
        ask(issuer)

    assert (caught.value.error, caught.value.description) == ("invalid_grant", "Token was revoked")
    assert "Token was revoked" in str(caught.value.message)


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ({"error": "invalid_client"}, {"status": 401}),
        ({"error": "invalid_grants"}, {"status": 400}),
        ({"error": "invalid_request"}, {}),  # GitHub says so with status 200
        ({}, {"status": 404}),
        (b"<html>", {"status": 403}),
        ({"error": {"code": 1}}, {"status": 400}),
        ({}, {"status": 302, "headers": {"Location": "/elsewhere"}}),
        ({**GOOD, "token_type": "mac"}, {}),
    ],
)
def test_any_other_refusal_is_for_an_admin(
    issuer: Issuer, body: Any, reply: dict[str, Any]
) -> None:
    answers(issuer, body, **reply)

    with pytest.raises(Misconfigured):
        ask(issuer)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_does_not_act_is_asked_again_later(issuer: Issuer, status: int) -> None:
    answers(issuer, {"error": "invalid_grant"}, status=status, headers={"Retry-After": "7"})

    with pytest.raises(TryLater) as caught:
        ask(issuer)

    assert caught.value.retry_after_s == 7


def test_no_connection_means_that_nothing_was_spent(settings: Any) -> None:
    settings.DAIKO_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]

    with pytest.raises(TryLater):
        token_request("http://127.0.0.1:1/token", client=ME, form=FORM)


def test_an_address_that_may_not_be_reached_is_for_an_admin() -> None:
    with pytest.raises(Misconfigured) as caught:
        token_request("http://169.254.169.254/token", client=ME, form=FORM)

    assert caught.value.error == "address_refused"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="a page"),
        pytest.param(b"[" * 100_000, id="nested deeply"),
        pytest.param([], id="a list"),
        pytest.param({}, id="an empty object"),
        pytest.param({**GOOD, "access_token": ""}, id="an empty token"),
        pytest.param({**GOOD, "access_token": None}, id="a null token"),
        pytest.param({**GOOD, "access_token": ["at-1"]}, id="a token of another type"),
        pytest.param({**GOOD, "access_token": "at\r\nX-Evil: 1"}, id="a token with a line end"),
        pytest.param({**GOOD, "access_token": "at-\ud800"}, id="half of a surrogate pair"),
        pytest.param({**GOOD, "refresh_token": "rt\n"}, id="a refresh token with a line end"),
        pytest.param(b" " * (1 << 21), id="too large"),
    ],
)
def test_a_success_without_a_usable_token_may_have_spent_what_was_sent(
    issuer: Issuer, body: Any
) -> None:
    answers(issuer, body)

    with pytest.raises(Unanswered):
        ask(issuer)


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        *((300, 300), ("300", 300), (300.9, 300), (0, 0), (-5, 0), (10**400, 365 * 24 * 3600)),
        *((None, None), ("soon", None), ([], None), (float("inf"), None), (float("nan"), None)),
    ],
)
def test_a_lifetime_is_read_as_servers_send_it(stated: Any, read: int | None) -> None:
    assert oauth._expires_in_s(stated) == read


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((None, None), ("7", 7.0), (" 7 ", 7.0), ("999999", 3600.0), ("", None), ("soon", None)),
        *(("-1", None), ("\u00b2", None), ("9" * 5000, 3600.0), ("1.5", None)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00", 0.0),
        ("Thu, 99 Jan 2026 00:00:00 GMT", None),
        (f"Thu, 01 Jan {'9' * 20} 00:00:00 GMT", None),
        (f"Thu, 01 Jan 2026 00:00:00 +{'9' * 20}", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert http.retry_after_s({} if value is None else {"Retry-After": value}) == seconds


def test_retry_after_as_a_date_is_counted_from_now() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)

    seconds = http.retry_after_s({"Retry-After": format_datetime(at, usegmt=True)})

    assert seconds is not None
    assert 80 < seconds <= 90


@given(st.text(alphabet=st.characters(codec="latin-1")))
def test_any_retry_after_is_bounded_or_nothing(value: str) -> None:
    seconds = http.retry_after_s({"Retry-After": value})

    assert seconds is None or 0 <= seconds <= 3600


@given(st.text(alphabet=st.characters(), max_size=3000))
def test_a_providers_words_are_bounded_and_printable_and_hold_no_long_run(text: str) -> None:
    said = oauth.redacted(text)

    assert len(said) <= 200
    assert all(oauth._ERROR_CODE.fullmatch(run) for run in oauth._LONG_RUN.findall(said))
    assert said.isprintable()


@pytest.mark.parametrize("value", [None, 7, ["x"], {"a": 1}])
def test_words_that_are_no_text_are_left_out(value: Any) -> None:
    assert oauth.redacted(value) == ""


def test_what_was_sent_is_not_repeated_in_a_refusal(issuer: Issuer) -> None:
    # Some servers say which code or token they do not know; short ones look like any word.
    answers(
        issuer,
        {
            "error": "invalid_grant",
            "error_description": "code the-c0de of p@ss:w ö/d is used, rt-7 too",
        },
        status=400,
    )

    with pytest.raises(GrantRejected) as caught:
        ask(issuer, refresh_token="rt-7", code_verifier="v3rifier")

    said = f"{caught.value} {caught.value.message} {caught.value.description}"
    for secret in ("the-c0de", "p@ss", "rt-7"):
        assert secret not in said
    assert "is used" in said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "incorrect_client_credentials"}, "incorrect_client_credentials"),
        ({"error": {"code": 190, "message": "It expired"}}, "190: It expired"),
        ({"error": {".tag": "invalid_access_token"}}, "invalid_access_token"),
        ({"error": 401, "message": "Unauthorized"}, "401: Unauthorized"),
        ({"status": 403, "message": "invalid client secret"}, "403: invalid client secret"),
        ({"code": "validation_error", "message": "No"}, "validation_error: No"),
        ({"error": ["x"], "error_description": {"y": 1}}, "status 400"),
        ({"error": {"code": True, "message": ["x"]}}, "status 400"),
    ],
)
def test_a_refusal_of_any_shape_is_told(issuer: Issuer, body: Any, said: str) -> None:
    answers(issuer, body, status=400)

    with pytest.raises(Misconfigured) as caught:
        ask(issuer)

    assert str(caught.value.message) == f"The provider answered “{said}”."


def test_a_refusal_of_any_shape_repeats_no_secret(issuer: Issuer) -> None:
    body = {"error": {"code": "the-c0de", "message": "the-c0de of p@ss:w ö/d is used"}}
    answers(issuer, body, status=400)

    with pytest.raises(Misconfigured) as caught:
        ask(issuer)

    assert (caught.value.error, caught.value.description) == ("…", "… of … is used")


def test_a_servers_own_words_for_invalid_grant_are_understood(issuer: Issuer) -> None:
    answers(issuer, {"error": "bad_refresh_token"})
    theirs = replace(ME, dialect=Dialect(rejected=frozenset({"bad_refresh_token"})))

    with pytest.raises(GrantRejected):
        ask(issuer, theirs)
    with pytest.raises(Misconfigured):
        ask(issuer)


@pytest.mark.parametrize(
    ("scope", "separator", "said"),
    [("a,b", ",", "a b"), ("a,b", " ", "a,b"), (["a", 1, "b"], " ", "a b"), ({}, " ", None)],
)
def test_scopes_are_read_as_the_server_writes_them(
    issuer: Issuer, scope: Any, separator: str, said: str | None
) -> None:
    answers(issuer, {**GOOD, "scope": scope})

    assert ask(issuer, replace(ME, dialect=Dialect(scope_separator=separator))).scope == said


def test_a_lifetime_is_assumed_only_where_none_is_stated(issuer: Issuer) -> None:
    theirs = replace(ME, dialect=Dialect(assumed_lifetime_s=900))
    answers(issuer, GOOD)
    assert ask(issuer, theirs).expires_in_s == 300

    answers(issuer, {"access_token": "at-1"})
    assert ask(issuer, theirs).expires_in_s == 900


def test_a_client_can_prove_itself_by_an_assertion(issuer: Issuer) -> None:
    answers(issuer, GOOD)

    by_key = Client("daiko", None, "private_key_jwt", lambda audience: Secret(f"for {audience}"))
    ask(issuer, by_key)

    assert issuer.asked[-1].form == FORM | {
        "client_id": "daiko",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": f"for {issuer.url}/token",
    }


def test_without_its_key_a_client_proves_nothing_and_says_so(issuer: Issuer) -> None:
    def away(audience: str) -> Secret:
        raise TryLater(detail="the key is away")

    answers(issuer, GOOD)
    with pytest.raises(TryLater):
        ask(issuer, Client("daiko", None, "private_key_jwt", away))

    assert issuer.asked == []
