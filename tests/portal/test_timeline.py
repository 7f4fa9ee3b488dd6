"""What an answer is made of, as it is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from portal.timeline import (
    Access,
    Approval,
    Consent,
    Part,
    Text,
    Tool,
    besides,
    from_json,
    markdown_of,
    over,
    to_json,
    told_of,
)

CARD = Consent(
    "6b0c", "pending", "Helper", "Acme", ({"name": "read", "words": ""},), "2026-01-01T00:00:00Z"
)


FIELD = {"kind": "choice", "label": "Which?", "required": True, "options": ["A", "B"]}
ASKED = Approval(
    "6b0e", "answered", "Helper", "Which?", "2026-01-01T00:00:00Z", False, "Send", "{}",
    (FIELD,), ({"label": "Which?", "words": "A"},),
)  # fmt: skip


AT_AWS = Consent("6b0d", "granted", "Hosted", "a service", (), "2026-01-01T00:00:00Z", host="a.aws")


USED = {"provider": "Acme", "scopes": [{"name": "read", "words": "See events"}]}
BEGAN, ENDED = "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:02.400000+00:00"
CALL = Tool("Read calendar", "done", "read_calendar", '{"day": 1}', BEGAN, ENDED, (USED,))


@pytest.mark.parametrize(
    "part",
    [Text("**Hi**"), Tool("Read calendar", "failed"), CALL, Access((USED,)), CARD, AT_AWS, ASKED],
)
def test_a_part_is_read_as_it_was_written(part: Part) -> None:
    assert from_json(to_json(part)) == part


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        {},
        {"kind": "text"},
        {"kind": "text", "text": 1},
        {"kind": "text", "text": "a", "url": "https://a.example"},
        {"kind": "tool", "title": "a", "state": "unknown"},
        {"kind": "tool", "title": "a", "state": "done", "input": {}},
        {"kind": "tool", "title": "a", "state": "done", "token": "t"},
        {"kind": "tool", "title": "a", "state": "done", "used": {}},
        {"kind": "tool", "title": "a", "state": "done", "used": [{"provider": "a"}]},
        {**to_json(CALL), "used": [{**USED, "token": "t"}]},
        {"kind": "access"},
        {"kind": "access", "used": [{**USED, "token": "t"}]},
        {"kind": "access", "used": [], "token": "t"},
        {**to_json(CALL), "used": [{"provider": "a", "scopes": ["read"]}]},
        {"kind": "consent", "state": "pending", "scopes": []},
        {**to_json(CARD), "state": "unknown"},
        {**to_json(CARD), "scopes": ["read"]},
        {**to_json(CARD), "scopes": [{"name": "read", "words": "", "token": "t"}]},
        {**to_json(CARD), "url": "https://a.example/a-capability"},
        {**to_json(ASKED), "state": "unknown"},
        {**to_json(ASKED), "url": "https://a.example"},
        {**to_json(ASKED), "decides": "yes"},
        {**to_json(ASKED), "fields": [{**FIELD, "kind": "file"}]},
        {**to_json(ASKED), "fields": [{**FIELD, "name": "x"}]},
        {**to_json(ASKED), "answers": [{"label": "a"}]},
    ],
)
def test_what_is_no_part_or_holds_more_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^not a "):
        from_json(value)


def test_a_tool_says_how_long_it_took_once_it_has_ended() -> None:
    assert CALL.took_s == 2.4
    assert replace(CALL, ended_at="").took_s is None
    assert replace(CALL, began_at=ENDED, ended_at=BEGAN).took_s == 0
    assert Tool("Reading", "done").took_s is None


def test_what_was_used_and_no_tool_says_is_told_for_the_answer() -> None:
    more = {"provider": "Acme", "scopes": [{"name": "write", "words": ""}]}
    key = {"provider": "Weather", "scopes": []}
    told = told_of([CALL, Text("a"), replace(CALL, used=(key,))])

    assert besides([USED, key], told) is None
    assert besides([USED, more, key], told) == Access((more,))
    assert besides([USED, key], told_of([])) == Access((USED, key))
    assert besides([], told) is None


def test_an_older_answer_is_still_read() -> None:
    old = {"kind": "tool", "title": "Reading", "state": "done"}

    assert from_json(old) == Tool("Reading", "done")
    assert to_json(Tool("Reading", "done")) == old


def test_nothing_goes_on_or_waits_once_the_run_is_over() -> None:
    parts: list[Part] = [Text("a"), Tool("b", "running"), Tool("c", "done"), CARD]
    parts += [replace(ASKED, state="pending"), ASKED]

    states = [getattr(over(part), "state", "") for part in parts]
    assert states == ["", "cut", "done", "closed", "closed", "answered"]


def test_the_markdown_is_all_that_was_written() -> None:
    assert markdown_of([Text("a"), Tool("b", "done"), Text("c")]) == "a\n\nc"
