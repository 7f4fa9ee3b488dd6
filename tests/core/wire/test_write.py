import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel
from botocore.parsers import create_parser

from core.secret import Secret
from core.wire import model
from core.wire.shapes import UnsupportedShape
from core.wire.write import OutputMismatch, OutputWriter, Written
from tests.core.wire import inputs
from tests.core.wire.surface import SURFACE
from tests.core.wire.synthetic import operation

STRING = {"type": "string"}
MOMENT = datetime(2026, 9, 21, 14, 13, 20, 500_000, tzinfo=UTC)


def write(shape: dict[str, Any], value: Any, **shapes: Any) -> Any:
    return (
        OutputWriter(operation(output={"it": shape}, shapes=shapes)).write({"it": value}).body["it"]
    )


@pytest.mark.parametrize("surface", SURFACE, ids=lambda operation: operation.name)
def test_botocore_reads_what_it_writes(surface: OperationModel) -> None:
    output = inputs.output(surface)
    written = OutputWriter(surface).write(output)

    assert surface.output_shape
    parsed = create_parser("rest-json").parse(
        {
            "status_code": written.status,
            "headers": HeadersDict(written.headers),
            "body": json.dumps(written.body).encode(),
        },
        surface.output_shape,
    )
    del parsed["ResponseMetadata"]

    assert parsed == output
    assert written.status == output.get("statusCode", surface.http["responseCode"])


def test_times_are_seconds_or_iso_8601_as_the_model_says() -> None:
    # The JavaScript SDK fails on the one where it expects the other.
    assert write({"type": "timestamp"}, MOMENT) == 1_790_000_000.5
    iso = {"type": "timestamp", "timestampFormat": "iso8601"}
    assert write(iso, MOMENT) == "2026-09-21T14:13:20.500Z"
    tokyo = MOMENT.astimezone(timezone(timedelta(hours=9)))
    assert write(iso, tokyo) == "2026-09-21T14:13:20.500Z"


def test_a_secret_is_revealed_only_where_the_model_says_that_it_is_sensitive() -> None:
    sensitive = {"type": "string", "sensitive": True}

    assert write(sensitive, Secret("at")) == "at"
    with pytest.raises(OutputMismatch):
        write(STRING, Secret("at"))


def test_members_that_are_none_are_left_out() -> None:
    writer = OutputWriter(operation(output={"a": STRING, "b": STRING}))

    assert writer.write({"a": None, "b": "x"}) == Written({"b": "x"}, {}, 200)


def test_an_operation_without_output_writes_none() -> None:
    assert OutputWriter(operation()).write({}) == Written({}, {}, 200)
    with pytest.raises(OutputMismatch):
        OutputWriter(operation()).write({"a": "x"})


def test_headers_and_the_status_come_from_the_output_where_the_model_says_so() -> None:
    stop = OutputWriter(model.operations()["StopRuntimeSession"])

    assert stop.write({"runtimeSessionId": "s" * 33, "statusCode": 202}) == Written(
        {}, {"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": "s" * 33}, 202
    )
    assert stop.write({}) == Written({}, {}, 200)


UNION = {"type": "structure", "union": True, "members": {"a": {"shape": "S"}, "b": {"shape": "S"}}}
LIST = {"type": "list", "member": {"shape": "S"}}
MAP = {"type": "map", "key": {"shape": "S"}, "value": {"shape": "S"}}


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (STRING, 1),
        (STRING, b"a"),
        ({"type": "integer"}, "1"),
        ({"type": "integer"}, True),
        ({"type": "boolean"}, 1),
        ({"type": "blob"}, "text"),
        ({"type": "timestamp"}, 1_790_000_000),
        ({"type": "timestamp"}, MOMENT.replace(tzinfo=None)),
        (LIST, "text"),
        (LIST, [1]),
        (LIST, [None]),
        (MAP, []),
        (MAP, {1: "a"}),
        (MAP, {"a": None}),
        (UNION, {}),
        (UNION, {"a": "1", "b": "2"}),
        (UNION, {"c": "1"}),
        (UNION, "text"),
    ],
    ids=repr,
)
def test_an_output_that_does_not_fit_is_a_bug_that_no_client_sees(shape: Any, value: Any) -> None:
    with pytest.raises(OutputMismatch):
        write(shape, value, S=STRING)


def test_an_output_must_have_what_the_model_requires_and_nothing_else() -> None:
    writer = OutputWriter(operation(output={"a": STRING}, required=["a"]))

    for output in ({}, {"a": None}, {"a": "x", "b": "y"}):
        with pytest.raises(OutputMismatch):
            writer.write(output)


def test_a_mismatch_does_not_name_the_value() -> None:
    with pytest.raises(OutputMismatch) as caught:
        write({"type": "integer"}, "s3cr3t")

    assert "s3cr3t" not in str(caught.value)


def test_other_shapes_are_written_as_json() -> None:
    assert write({"type": "blob"}, b"\0\1\2") == "AAEC"
    assert write({"type": "long"}, 2**40) == 2**40
    assert write({"type": "boolean"}, False) is False
    assert write(LIST, ("a", "b"), S=STRING) == ["a", "b"]
    assert write(MAP, {"k": "v"}, S=STRING) == {"k": "v"}


def test_a_shape_may_contain_itself() -> None:
    tree = {"type": "structure", "members": {"in": {"shape": "Tree", "locationName": "I"}}}

    assert write({"shape": "Tree"}, {"in": {"in": {}}}, Tree=tree) == {"I": {"I": {}}}


@pytest.mark.parametrize(
    "unsupported",
    [
        operation(output={"a": {"type": "blob"}}, payload="a"),
        operation(output={"a": {"type": "integer", "location": "header", "locationName": "a"}}),
        operation(output={"a": {"type": "float"}}),
        operation(output={"a": {"type": "structure", "members": {}, "document": True}}),
        operation(output={"a": {"type": "structure", "members": {}, "eventstream": True}}),
    ],
)
def test_an_output_that_it_does_not_speak_is_refused_when_it_is_compiled(
    unsupported: OperationModel,
) -> None:
    with pytest.raises(UnsupportedShape):
        OutputWriter(unsupported)
