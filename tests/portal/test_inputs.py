"""What a tool was called with is shown short, and without what looks like a secret."""

from __future__ import annotations

import json

import pytest

from portal.runs.inputs import MAX_CHARS, shown
from tests.effort import ended_if_endless

# Made up here, in the forms that they have.
SECRETS = [
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl",
    "Bearer abcdef.123456",
    "wat1.c2VhbGVk",
    "ghp_" + "a1" * 18,
    "sk-" + "live" * 6,
    "xoxb-" + "1234-" * 4,
    "AKIA" + "ABCDEFGH12345678",
    "ya29." + "a0" * 20,
    "0123456789abcdef" * 2,
    "Zm9vYmFyMTIzNDU2Nzg5MEFCQ0RFRg==",
    "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
    "https://a.example/?access_token=s3cretvalue",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", ['{"note": %s}', '[1, {"a": [%s]}]', "%s"])
def test_what_looks_like_a_token_is_not_shown(secret: str, form: str) -> None:
    told = shown(form % json.dumps(f"use {secret} now"))

    assert "[redacted]" in told
    assert secret not in told
    assert secret[-8:] not in told


@pytest.mark.parametrize("secret", SECRETS)
def test_nor_in_what_is_no_json_or_as_a_name(secret: str) -> None:
    assert secret[-8:] not in shown(f"call it with {secret}")
    assert secret[-8:] not in shown(json.dumps({secret: 1}))


@pytest.mark.parametrize(
    "name",
    [
        *("password", "accessToken", "client_secret", "API-Key", "apikey", "private_key"),
        *("Authorization", "cookie", "otp", "credentials", "passphrase", "aws_access_key_id"),
    ],
)
@pytest.mark.parametrize("value", ["hunter2", 1234, ["hunter2"], {"is": "hunter2"}])
def test_what_is_named_as_a_secret_is_not_shown(name: str, value: object) -> None:
    assert json.loads(shown(json.dumps({name: value, "day": 1}))) == {name: "[redacted]", "day": 1}


@pytest.mark.parametrize(
    "text",
    [
        *("password=hunter2", "token: hunter2", "api_key = 'hunter2'", 'secret="hunter2'),
        *("login=password=hunter2", "a: token=hunter2, b", "password='' password='hunter2'"),
    ],
)
def test_pairs_in_a_text_are_masked(text: str) -> None:
    assert "hunter2" not in shown(f"please use {text}")
    assert "[redacted]" in shown(text)


def test_what_people_ask_for_is_shown_as_it_is() -> None:
    asked = {
        "day": "2026-11-23",
        "who": ["Kenji", "会議"],
        "id": "6b0c4c52-0f6f-4f8e-9d7e-0d2f3b1a9c11",
        "path": "/reports/quarterly/2026/november/summary",
        "count": 3,
        "all": True,
        "url": "https://calendar.example/events?day=monday",
    }

    assert json.loads(shown(json.dumps(asked))) == asked


@pytest.mark.parametrize("raw", ["", "{}", "[]", "null", '""', "  "])
def test_nothing_is_shown_of_nothing(raw: str) -> None:
    assert shown(raw) == ""


def test_json_that_is_not_whole_is_not_shown() -> None:
    assert shown('{"credentials": {"user": "bob", "pass": "hunter2"') == "…"


def test_what_is_shown_has_an_end() -> None:
    assert len(shown(json.dumps({"a": "so " * 1000}))) == 1001
    assert len(shown("so " * 4000)) == 1001
    assert shown(json.dumps([[[[[[[[[[[["deep"]]]]]]]]]]]])).count("deep") == 0
    assert shown("[" * 4000) == "…"


@pytest.mark.parametrize(
    "part", ["a", "token", "password=", "token ", "api-key-", "aA1", "password='"]
)
def test_a_long_text_is_looked_through_once(part: str) -> None:
    with ended_if_endless():
        assert len(shown(part * (MAX_CHARS // len(part)))) < MAX_CHARS
