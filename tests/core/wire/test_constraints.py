import json
from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import InvalidRequest
from core.secret import Secret
from core.wire.constraints import MAX_FIELD_ERRORS
from core.wire.read import InputReader
from tests.core.wire.synthetic import operation


def read(shape: dict[str, Any], value: Any, **shapes: Any) -> Any:
    reader = InputReader(operation({"it": shape}, shapes=shapes))
    body = json.dumps({"it": value}).encode()
    return reader.read(labels={}, query=[], headers={}, body=body)["it"]


def broken(shape: dict[str, Any], value: Any, **shapes: Any) -> list[tuple[str, str]]:
    """Return the fields that are refused and the constraint that each breaks."""
    with pytest.raises(InvalidRequest) as caught:
        read(shape, value, **shapes)
    return [(f.name, str(f.message).partition("constraint: ")[2]) for f in caught.value.fields]


STRING = {"type": "string"}


@pytest.mark.parametrize("value", ["null \0 inside", "\ud800", "\udfff a"])
def test_a_string_that_no_database_takes_is_refused(value: str) -> None:
    assert broken(STRING, value) == [("it", "Member must be Unicode text without null characters")]


def test_lengths_are_counted_in_characters_not_bytes() -> None:
    assert read({"type": "string", "max": 2}, "代行") == "代行"
    assert read({"type": "string", "max": 1}, "😀") == "😀"


def test_a_pattern_means_the_whole_string_in_ascii() -> None:
    digits = {"type": "string", "pattern": r"\d+"}

    assert read(digits, "12") == "12"
    for value in ("12a", "a12", "12\n", "\uff11\uff12"):
        assert broken(digits, value)[0][1] == r"Member must satisfy regular expression pattern: \d+"


def test_what_the_model_calls_sensitive_is_a_secret() -> None:
    sensitive = {"type": "string", "sensitive": True}

    assert read(sensitive, "a") == Secret("a")
    assert "hidden" not in repr(read(sensitive, "hidden"))


def test_what_is_inside_of_something_sensitive_is_a_secret_too() -> None:
    shape = {
        "type": "map",
        "sensitive": True,
        "key": {"shape": "Plain"},
        "value": {"shape": "Plain"},
    }

    assert read(shape, {"NAME": "a"}, Plain=STRING) == {"NAME": Secret("a")}


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        ("integer", 2**31 - 1, True),
        ("integer", -(2**31), True),
        ("integer", 2**31, False),
        ("long", 2**31, True),
        ("long", 2**63, False),
        ("integer", True, False),
        ("integer", 1.0, False),
        ("integer", "1", False),
        ("boolean", 1, False),
        ("boolean", "true", False),
    ],
)
def test_numbers_and_booleans_are_what_they_say(kind: str, value: Any, fits: bool) -> None:
    if fits:
        assert read({"type": kind}, value) == value
    else:
        assert [field for field, _ in broken({"type": kind}, value)] == ["it"]


@pytest.mark.parametrize(
    "value",
    [
        1_790_000_000.5,
        "2026-09-21T14:13:20.500Z",
        "2026-09-21T16:13:20.5+02:00",
    ],
)
def test_a_timestamp_is_a_number_or_iso_8601(value: Any) -> None:
    assert read({"type": "timestamp"}, value) == datetime(
        2026, 9, 21, 14, 13, 20, 500_000, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "value", ["yesterday", "2026-09-21T14:13:20", "", True, 1e300, -1e300, [], {}]
)
def test_what_is_no_moment_in_time_is_refused(value: Any) -> None:
    assert broken({"type": "timestamp"}, value) == [("it", "Member must be a timestamp")]


def test_a_blob_is_base64_and_measured_in_bytes() -> None:
    blob = {"type": "blob", "min": 1, "max": 3}

    assert read(blob, "AAEC") == b"\0\1\2"
    for value in ("AAECAw==", "", "A", "AA EC", 5):
        assert [field for field, _ in broken(blob, value)] == ["it"]


UNION = {
    "type": "structure",
    "union": True,
    "members": {"one": {"shape": "Plain"}, "two": {"shape": "Plain"}},
}


def test_a_union_has_exactly_one_member_and_nulls_do_not_count() -> None:
    assert read(UNION, {"one": "a", "two": None}, Plain=STRING) == {"one": "a"}


@pytest.mark.parametrize(
    "value",
    [{}, {"one": None}, {"one": "a", "two": "b"}, {"three": "a"}, {"one": "a", "three": "b"}],
)
def test_a_union_of_none_or_several_or_unknown_members_is_refused(value: Any) -> None:
    assert broken(UNION, value, Plain=STRING) == [
        ("it", "Member must have exactly one of [one, two]")
    ]


def test_lists_and_maps_hold_no_nulls() -> None:
    plain_list = {"type": "list", "member": {"shape": "Plain"}}
    plain_map = {"type": "map", "key": {"shape": "Plain"}, "value": {"shape": "Plain"}}

    assert broken(plain_list, ["a", None], Plain=STRING) == [
        ("it.2.member", "Member must not be null")
    ]
    assert broken(plain_map, {"k": None}, Plain=STRING) == [
        ("it.k.member", "Member must not be null")
    ]


def test_a_key_that_breaks_the_rules_is_not_repeated_to_anybody() -> None:
    shape = {"type": "map", "key": {"shape": "Key"}, "value": {"shape": "Plain"}}

    found = broken(shape, {"odd key": 5}, Plain=STRING, Key={"type": "string", "pattern": "[a-z]+"})

    assert found == [
        (
            "it",
            "Map keys must satisfy constraint: "
            "[Member must satisfy regular expression pattern: [a-z]+]",
        )
    ]


def test_a_shape_may_contain_itself() -> None:
    tree = {"type": "structure", "members": {"name": {"shape": "Plain"}, "in": {"shape": "Tree"}}}

    assert read({"shape": "Tree"}, {"in": {"in": {"name": "a"}}}, Tree=tree, Plain=STRING) == {
        "in": {"in": {"name": "a"}}
    }
    found = broken({"shape": "Tree"}, {"in": {"in": {"name": 1}}}, Tree=tree, Plain=STRING)
    assert found == [("it.in.in.name", "Member must be a string")]


def test_all_broken_rules_are_told_at_once() -> None:
    reader = InputReader(operation({"a": {**STRING, "min": 2}, "b": STRING}, required=["b"]))

    with pytest.raises(InvalidRequest) as caught:
        reader.read(labels={}, query=[], headers={}, body=b'{"a": "x"}')

    assert [field.name for field in caught.value.fields] == ["a", "b"]
    assert str(caught.value.message) == (
        "2 validation errors detected: "
        "Value at 'a' failed to satisfy constraint: "
        "Member must have length greater than or equal to 2; "
        "Value at 'b' failed to satisfy constraint: Member must not be null"
    )


def test_a_thousand_broken_rules_are_not_told_one_by_one() -> None:
    plain_list = {"type": "list", "member": {"shape": "Plain"}}

    assert len(broken(plain_list, [1] * 1000, Plain=STRING)) == MAX_FIELD_ERRORS


def test_a_list_that_is_too_long_is_not_looked_into() -> None:
    plain_list = {"type": "list", "member": {"shape": "Plain"}, "max": 2}

    assert broken(plain_list, [1, 2, 3], Plain=STRING) == [
        ("it", "Member must have length less than or equal to 2")
    ]
