"""What holds answers against the models finds what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from core.wire import model
from tests.conformance.outputs import unlike

SHAPE = model.operations()["GetWorkloadIdentity"].output_shape
LISTED = model.operations()["ListTagsForResource"].output_shape
GOOD: dict[str, Any] = {
    "name": "batch",
    "workloadIdentityArn": "arn:x",
    "allowedResourceOauth2ReturnUrls": ["https://app.example"],
    "createdTime": 1_790_000_000.25,
    "lastUpdatedTime": 1_790_000_000,
}


def test_nothing_is_wrong_with_a_good_answer() -> None:
    assert unlike(SHAPE, GOOD) == []
    assert unlike(None, {}) == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"name": 1}, "body.name is a int"),
        ({"name": "ab"}, "body.name has 2, and not 3 to 255"),
        ({"name": "a b c"}, "body.name does not match [A-Za-z0-9_.-]+"),
        ({"allowedResourceOauth2ReturnUrls": "x"}, "is a str"),
        ({"allowedResourceOauth2ReturnUrls": [""]}, "ReturnUrls[] has 0"),
        ({"createdTime": "2026-11-22T10:00:00Z"}, "body.createdTime is a str"),
        ({"clientSecret": "x"}, "body.clientSecret is unknown to the model"),
    ],
)
def test_what_is_wrong_with_an_answer_is_found(changed: dict[str, Any], found: str) -> None:
    assert found in unlike(SHAPE, GOOD | changed)[0]


def test_what_is_missing_is_found() -> None:
    assert unlike(SHAPE, {k: v for k, v in GOOD.items() if k != "name"}) == ["body.name is missing"]
    assert unlike(None, {"name": "x"})


def test_a_time_of_the_runtime_is_written_in_letters() -> None:
    shape = model.operations()["GetAgentRuntime"].output_shape
    assert shape is not None
    (problem,) = [p for p in unlike(shape, {"createdAt": 1_790_000_000}) if "missing" not in p]
    assert problem == "body.createdAt is a int"


def test_unions_enums_and_maps_are_looked_into() -> None:
    shape = model.operations()["GetOauth2CredentialProvider"].output_shape
    config: Any = {"googleOauth2ProviderConfig": {}, "githubOauth2ProviderConfig": {}}
    found = unlike(shape, {"oauth2ProviderConfigOutput": config, "status": "FINE"})
    assert "body.oauth2ProviderConfigOutput has 2 members of a union" in found
    assert "body.status is no value of its enum" in found
    (long,) = unlike(LISTED, {"tags": {"a" * 129: "x"}})
    assert long == "body.tags (a key) has 129, and not 1 to 128"
