from urllib.parse import quote

import pytest

from core.errors import InvalidRequest
from core.wire import model
from tests.core.wire.synthetic import operation

ARN = "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/concierge-a1b2c3d4e5"
ALL = model.Routes(model.operations().values())


def test_both_planes_are_one_api() -> None:
    names = model.operations().keys()

    assert {"CreateWorkloadIdentity", "GetWorkloadAccessToken"} <= names
    assert {op.service_model.signing_name for op in model.operations().values()} == {
        model.SIGNING_NAME
    }


def test_no_two_operations_share_a_method_and_path() -> None:
    found = [
        ALL.find(
            op.http["method"], op.http["requestUri"].replace("{", "").replace("}", "").encode()
        )
        for op in model.operations().values()
    ]

    assert [route and route.operation for route in found] == list(model.operations())


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/identities/oauth2/token", model.Route("GetResourceOauth2Token", {})),
        ("PUT", "/runtimes/", model.Route("CreateAgentRuntime", {})),
        ("POST", "/runtimes/", model.Route("ListAgentRuntimes", {})),
        (
            "POST",
            f"/runtimes/{quote(ARN, safe='')}/invocations",
            model.Route("InvokeAgentRuntime", {"agentRuntimeArn": ARN}),
        ),
        (
            "GET",
            "/runtimes/a-1/runtime-endpoints/DEFAULT/",
            model.Route(
                "GetAgentRuntimeEndpoint", {"agentRuntimeId": "a-1", "endpointName": "DEFAULT"}
            ),
        ),
        ("GET", "/tags/%E4%BB%A3", model.Route("ListTagsForResource", {"resourceArn": "代"})),
    ],
)
def test_an_operation_is_found_by_its_method_and_raw_path(
    method: str, path: str, expected: model.Route
) -> None:
    assert ALL.find(method, path.encode()) == expected


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/identities/oauth2/token"),
        ("post", "/identities/oauth2/token"),
        ("POST", "/identities/oauth2/token/"),
        ("POST", "/identities/oauth2%2Ftoken"),
        ("POST", "/Identities/oauth2/token"),
        ("POST", f"/runtimes/{ARN}/invocations"),
        ("PUT", "/runtimes"),
        ("GET", "/tags/"),
        ("GET", "/tags/a/b"),
        ("POST", ""),
        ("POST", "/identities/\xff"),
    ],
)
def test_another_path_is_another_operation_or_none(method: str, path: str) -> None:
    assert ALL.find(method, path.encode("latin-1")) is None


def test_a_label_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        ALL.find("GET", b"/tags/%FF")

    assert caught.value.reason == "CannotParse"


def test_only_the_given_operations_are_found() -> None:
    routes = model.Routes([operation(uri="/a/{name}")])

    assert routes.find("POST", b"/a/b") == model.Route("Test", {"name": "b"})
    assert routes.find("POST", b"/identities/oauth2/token") is None


def test_every_error_of_the_models_has_a_status() -> None:
    statuses = model.error_statuses()

    assert statuses["ValidationException"] == 400
    assert statuses["ServiceQuotaExceededException"] == 402
    assert statuses["RuntimeClientError"] == 424
