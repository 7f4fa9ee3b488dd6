import json
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.model import OperationModel
from botocore.serialize import create_serializer

from core.errors import InvalidRequest
from core.secret import Secret
from core.wire import model
from core.wire.canonical import query_pairs
from core.wire.read import InputReader
from core.wire.shapes import UnsupportedShape
from tests.core.wire import inputs
from tests.core.wire.inputs import HttpRequest
from tests.core.wire.surface import SURFACE
from tests.core.wire.synthetic import operation

by_name = pytest.mark.parametrize("surface", SURFACE, ids=lambda operation: operation.name)


reader_of = cache(InputReader)


def read(model_: OperationModel, request: HttpRequest) -> dict[str, Any]:
    path, _, query = request.target.partition("?")
    route = model.Routes([model_]).find(request.method, path.encode())
    assert route is not None
    return reader_of(model_).read(
        labels=route.labels,
        query=query_pairs(query.encode()),
        headers={name.lower(): value for name, value in request.headers},
        body=request.body,
    )


def read_body(model_: OperationModel, body: bytes) -> dict[str, Any]:
    return read(model_, HttpRequest("POST", "/test", [], body))


def refused(model_: OperationModel, request: HttpRequest) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(model_, request)
    return caught.value


def revealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {name: revealed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [revealed(inner) for inner in value]
    return value


# --- every operation of the surface --------------------------------------------------------------


@by_name
def test_it_reads_what_botocore_sends(surface: OperationModel) -> None:
    for sent in (inputs.valid(surface), inputs.smallest(surface)):
        made = create_serializer("rest-json").serialize_to_request(sent, surface)
        query = urlencode(made["query_string"], doseq=True)
        request = HttpRequest(
            made["method"],
            f"{made['url_path']}?{query}",
            list(made["headers"].items()),
            made["body"],
        )

        assert revealed(read(surface, request)) == sent


@by_name
def test_it_refuses_every_broken_rule_and_names_the_field(surface: OperationModel) -> None:
    for rule, field, sent in inputs.breaking(surface):
        error = refused(surface, inputs.to_http(surface, sent))

        assert [found.name for found in error.fields] == [field], rule
        assert error.reason == "FieldValidationFailed"


def test_the_surface_has_both_planes() -> None:
    names = {operation.name for operation in SURFACE}

    assert names >= {"CreateWorkloadIdentity", "GetResourceOauth2Token", "PutResourcePolicy"}
    assert names >= {"CreateAgentRuntime", "StopRuntimeSession", "UntagResource"}


# --- the body ------------------------------------------------------------------------------------

ONE = operation({"name": {"type": "string"}, "other": {"type": "string"}})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"null",
        b"[]",
        b'"name"',
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": "a", "name": "b"}',
        b'{"other": {"a": 1, "a": 2}}',
        b'{"other": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
    ids=lambda body: body[:20],
)
def test_it_refuses_a_body_that_is_not_one_plain_json_object(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_body(ONE, body)

    assert (caught.value.reason, caught.value.fields) == ("CannotParse", ())
    assert caught.value.__cause__ is None


def test_an_empty_body_is_an_empty_input() -> None:
    assert read_body(ONE, b"") == {}


def test_a_member_that_the_model_does_not_know_is_ignored() -> None:
    assert read_body(ONE, b'{"name": "a", "later": {"than": ["this"]}}') == {"name": "a"}


def test_a_null_is_a_member_that_is_not_there() -> None:
    assert read_body(ONE, b'{"name": null, "other": "b"}') == {"other": "b"}


def test_a_null_does_not_stand_for_what_is_required() -> None:
    required = operation({"name": {"type": "string"}}, required=["name"])

    with pytest.raises(InvalidRequest) as caught:
        read_body(required, b'{"name": null}')

    assert [field.name for field in caught.value.fields] == ["name"]


def test_an_operation_without_members_in_the_body_does_not_look_at_it() -> None:
    assert read_body(operation(), b"not JSON") == {}


def test_a_member_has_the_name_that_the_model_gives_it_on_the_wire() -> None:
    renamed = operation({"name": {"type": "string", "locationName": "n", "min": 2}})

    assert read_body(renamed, b'{"n": "abc", "name": "x"}') == {"name": "abc"}
    with pytest.raises(InvalidRequest) as caught:
        read_body(renamed, b'{"n": "a"}')
    assert [field.name for field in caught.value.fields] == ["name"]


# --- path, query and headers ---------------------------------------------------------------------

LOCATED = operation(
    {
        "label": {"type": "string", "location": "uri", "locationName": "label"},
        "count": {"type": "integer", "location": "querystring", "locationName": "n", "min": 1},
        "flag": {"type": "boolean", "location": "querystring", "locationName": "flag"},
        "names": {
            "type": "list",
            "member": {"shape": "label"},
            "location": "querystring",
            "locationName": "name",
        },
        "session": {"type": "string", "location": "header", "locationName": "X-Session"},
    },
    uri="/test/{label}/end",
)


def get(target: str, **headers: str) -> HttpRequest:
    return HttpRequest("POST", target, [(n.replace("_", "-"), v) for n, v in headers.items()], b"")


def test_it_reads_path_query_and_headers() -> None:
    request = get("/test/a%2Fb%E4%BB%A3/end?n=3&flag=true&name=x&name=y%20z&q=1", X_Session="s")

    assert read(LOCATED, request) == {
        "label": "a/b代",
        "count": 3,
        "flag": True,
        "names": ["x", "y z"],
        "session": "s",
    }


def test_what_is_not_there_is_not_in_the_input() -> None:
    assert read(LOCATED, get("/test/a/end")) == {"label": "a"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("n=three", "count"),
        ("n=1.5", "count"),
        ("n=", "count"),
        ("n=0", "count"),
        ("n=1&n=2", "count"),
        ("n=99999999999", "count"),
        ("n=" + "9" * 30, "count"),
        ("n=%D9%A3", "count"),
        ("flag=yes", "flag"),
        ("flag=TRUE", "flag"),
    ],
)
def test_it_refuses_text_of_another_type_or_given_twice(query: str, field: str) -> None:
    error = refused(LOCATED, get(f"/test/a/end?{query}"))

    assert [found.name for found in error.fields] == [field]


@pytest.mark.parametrize("target", ["/test/a/end?name=%FF", "/test/%FF/end"])
def test_it_refuses_text_that_is_not_utf8(target: str) -> None:
    assert refused(LOCATED, get(target)).reason == "CannotParse"


# --- what is not spoken --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unsupported",
    [
        operation({"a": {"type": "blob"}}, payload="a"),
        operation({"a": {"type": "string", "location": "host", "locationName": "a"}}),
        operation({"a": {"type": "timestamp", "location": "header", "locationName": "a"}}),
        operation({"a": {"type": "double"}}),
        operation({"a": {"type": "structure", "members": {}, "document": True}}),
        operation({"a": {"type": "structure", "members": {}, "eventstream": True}}),
        model.operations()["InvokeAgentRuntime"],
    ],
)
def test_an_input_that_it_does_not_speak_is_refused_when_it_is_compiled(
    unsupported: OperationModel,
) -> None:
    with pytest.raises(UnsupportedShape):
        InputReader(unsupported)


def test_an_error_holds_no_value_of_the_request() -> None:
    surface = model.operations()["GetWorkloadAccessTokenForJWT"]
    body = json.dumps({"workloadName": "concierge", "userToken": "s3cr3t no jwt"}).encode()

    error = refused(
        surface, HttpRequest("POST", "/identities/GetWorkloadAccessTokenForJWT", [], body)
    )

    assert "s3cr3t" not in f"{error} {error.message} {error.fields} {error.detail}"
