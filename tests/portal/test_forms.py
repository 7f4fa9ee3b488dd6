"""The form in which a person answers an agent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import ApprovalRefused
from portal.runs.forms import MAX_FIELDS, NotAForm, form_for


def an_object(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or []}


YES = {"type": "boolean"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMES = ["type", "properties", "required", "enum", "title", "minimum", "maxLength", "approved"]


@pytest.mark.parametrize(
    "schema", [None, {}, {"type": "object"}, an_object(["approved"], approved=YES)]
)
def test_a_decision_is_told_as_the_protocol_recommends(schema: Any) -> None:
    form = form_for(schema)

    assert (form.decides, form.fields) == (True, ())
    assert form.resume(approve=True, values=[]) == {"payload": {"approved": True}}
    assert form.resume(approve=False, values=[]) == {"payload": {"approved": False}}


def test_a_boolean_is_the_decision_itself() -> None:
    form = form_for(YES)

    assert form.resume(approve=True, values=[]) == {"payload": True}
    assert form.resume(approve=False, values=[]) == {"payload": False}


@pytest.mark.parametrize(
    "schema, value, payload",
    [
        ({"type": "string"}, "yes", "yes"),
        ({"type": "integer"}, "-3", -3),
        ({"type": "number"}, "0.5", 0.5),
        ({"enum": ["a", 2, True]}, "1", 2),
    ],
)
def test_a_single_value_is_the_payload(schema: Any, value: str, payload: Any) -> None:
    form = form_for(schema)

    assert not form.decides
    assert form.resume(approve=True, values=[value]) == {"payload": payload}
    assert form.resume(approve=False, values=[]) is None


def test_what_may_be_left_out_and_no_form_holds_is_left_out() -> None:
    schema = an_object(["approved"], approved=YES, editedArgs={"type": "object"})

    assert form_for(schema).fields == ()
    assert form_for(schema).resume(approve=True, values=[]) == {"payload": {"approved": True}}


def test_a_no_where_more_is_required_is_no_answer() -> None:
    schema = an_object(["approved", "why"], approved=YES, why={"type": "string"})
    form = form_for(schema)

    assert form.resume(approve=False, values=[]) is None
    assert form.resume(approve=True, values=["so"]) == {"payload": {"approved": True, "why": "so"}}


def test_a_label_is_one_line_of_what_can_be_read() -> None:
    [field] = form_for(
        an_object(a={"type": "string", "title": "A\n\u202eb\u0000<i>" + "x" * 300})
    ).fields

    assert field.label.startswith("A b<i>xxx")
    assert len(field.label) == 120


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {"type": ["string", "null"]},
        {"$ref": "#/x"},
        {"oneOf": [YES]},
        {"enum": []},
        {"enum": [{}]},
        {"enum": [str(n) for n in range(51)]},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {}, "required": ["gone"]},
        {"type": "object", "properties": {"a": YES}, "required": [["a"]]},
        an_object(["a"], a={"type": "object"}),
        an_object(["a"], a=True),
        an_object(a={"type": "array"}),
        {"type": "object", "properties": {f"f{n}": YES for n in range(MAX_FIELDS + 1)}},
        {"description": "x" * 9_000, **YES},
    ],
)
def test_what_a_small_form_does_not_hold_is_none(schema: Any) -> None:
    with pytest.raises(NotAForm):
        form_for(schema)


@given(
    st.dictionaries(st.sampled_from(NAMES), JSON | st.sampled_from(["object", "string", "number"])),
    st.lists(st.text(max_size=8), max_size=3),
)
def test_whatever_an_agent_asks_it_is_a_form_or_none(schema: Any, values: list[str]) -> None:
    try:
        form = form_for(schema)
    except NotAForm:
        return
    try:
        form.resume(approve=True, values=values)
        form.answers(values)
    except ApprovalRefused:
        pass
    assert all(isinstance(field.shape()["label"], str) for field in form.fields)


@pytest.mark.parametrize(
    "kind, value",
    [("integer", "9" * 400), ("integer", str(-(2**53))), ("number", "9" * 400), ("number", "nan")],
)
def test_a_number_that_programs_do_not_agree_on_is_refused(kind: str, value: str) -> None:
    with pytest.raises(ApprovalRefused):
        form_for({"type": kind}).resume(approve=True, values=[value])
