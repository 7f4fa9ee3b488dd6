from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from core import reference
from core.logs import EventFormatter, redacted
from core.secret import Secret
from tests.effort import ended_if_endless
from tests.fixtures.issuer import Issuer

TOKEN = Issuer("https://issuer.example").token()


def line(
    message: str, *args: Any, exc: BaseException | None = None, **extra: Any
) -> dict[str, Any]:
    info = (type(exc), exc, exc.__traceback__) if exc else None
    record = logging.getLogger("t").makeRecord(
        "t", logging.INFO, "file", 1, message, args, info, extra=extra
    )
    formatted = EventFormatter().format(record)
    assert "\n" not in formatted
    parsed: dict[str, Any] = json.loads(formatted)
    return parsed


def test_an_event_with_its_fields_is_one_line_of_json() -> None:
    begun = reference.begin()

    said = line("vault.token.refreshed", provider="acme", attempts=2)

    assert said["event"] == "vault.token.refreshed"
    assert (said["provider"], said["attempts"]) == ("acme", "2")
    assert (said["level"], said["logger"], said["reference"]) == ("info", "t", begun.id)


@pytest.mark.parametrize(
    "name",
    [
        *("access_token", "refresh_token", "client_secret", "password", "cookie", "Authorization"),
        *("code_verifier", "assertion", "api_key", "apikey", "session_key", "code"),
    ],
)
def test_a_field_named_like_a_secret_is_redacted_whatever_it_holds(name: str) -> None:
    fields: dict[str, Any] = {name: "v4lue"}

    assert line("e", **fields)[name] == "[redacted]"


def test_a_secret_shows_nothing_of_itself() -> None:
    assert "v4lue" not in json.dumps(line("e %s", Secret("v4lue"), held=Secret("v4lue")))


@pytest.mark.parametrize(
    "text",
    [
        f"got {TOKEN} here",
        f"Authorization: Bearer {TOKEN}",
        f"x-{TOKEN}",
        "bearer abc.def-ghi_jkl~mno+pqr/stu==",
        "wat1.AbC-dEf_123",
        "https://a.example/cb?code=s3cr3t&state=s3cr3t&nonce=s3cr3t",
        "https://a.example/cb?x=1&access_token=s3cr3t",
        "/identities/oauth2/authorize?request_uri=urn%3Aietf%3As3cr3t",
        "?session_id=s3cr3t",
        "?x=1;code=s3cr3t",
        "https://a.example/#access_token=s3cr3t",
        "?cod%65=s3cr3t",
        "?%63%6f%64%65%3ds3cr3t",
        "/nope?next=%2Fidentities%2Foauth2%2Fauthorize%3Frequest_uri%3Durn%3As3cr3t",
        "/nope?next=%252Fidentities%252Foauth2%252Fauthorize%253Frequest_uri%253Ds3cr3t",
        "link urn:ietf:params:oauth:request_uri:s3cr3t",
        "urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3As3cr3t",
        "URN%25253aietf:params:oauth:request_uri:s3cr3t",
        "?state=a&next=%252Fauthorize%253Frequest_uri%253Ds3cr3t",
        "?code=a%26s3cr3t",
        "?next=%3Fcode=a%2526s3cr3t",
        "%" + "25" * 9 + "3Fcode=s3cr3t",  # deeper than it is looked into
    ],
)
def test_what_looks_like_a_credential_is_taken_out_wherever_it_stands(text: str) -> None:
    said = json.dumps([line(text), line("%s", text), line("e", note=text)])

    assert "[redacted]" in said
    for secret in ("s3cr3t", TOKEN, "abc.def", "AbC-dEf"):
        assert secret not in said


def test_of_a_request_its_path_is_logged_and_never_its_query(rf: RequestFactory) -> None:
    said = line("Not Found: %s", "/nope", request=rf.get("/nope?anything=s3cr3t"))

    assert said["request"] == "GET /nope"
    assert "s3cr3t" not in json.dumps(said)


def test_what_is_encoded_and_no_secret_stays_as_it_is() -> None:
    assert redacted("/chat?q=100%25%20sure 5% %zz") == "/chat?q=100%25%20sure 5% %zz"


@pytest.mark.parametrize("part", ["eyJ", "%", "%25", "25%", "?code", "a.", "eyJa.", "?", "wat1."])
def test_a_long_text_is_looked_through_at_once(part: str) -> None:
    with ended_if_endless():
        redacted(part * (65536 // len(part)))


def test_other_words_stay() -> None:
    assert redacted("provider acme refused: ?x=1 invalid_grant") == (
        "provider acme refused: ?x=1 invalid_grant"
    )


def test_a_traceback_says_where_and_never_what() -> None:
    try:
        try:
            raise ValueError("the s3cr3t value")
        except ValueError as exc:
            raise LookupError("another s3cr3t") from exc
    except LookupError as exc:
        said = line("it.broke", exc=exc)

    assert "LookupError" in said["traceback"]
    assert "ValueError" in said["traceback"]
    assert "test_a_traceback_says_where_and_never_what" in said["traceback"]
    assert "s3cr3t" not in json.dumps(said)


def test_errors_that_cause_each_other_end() -> None:
    one, other = ValueError(), LookupError()
    one.__cause__, other.__cause__ = other, one

    assert line("e", exc=one)["traceback"] == "ValueError\nLookupError"


@given(st.text(alphabet=st.characters()))
def test_any_text_makes_one_line_that_a_stream_takes(text: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(EventFormatter())
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "note": text})

    handler.emit(record)

    stream.seek(0)
    assert len(stream.read().splitlines()) >= 1


def test_aws_clients_do_not_tell_where_they_found_credentials() -> None:
    assert not logging.getLogger("botocore.credentials").isEnabledFor(logging.INFO)
