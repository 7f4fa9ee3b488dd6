"""Where an agent on AWS runs, as a version says it."""

from __future__ import annotations

import pytest

from agents.aws import places
from agents.aws.places import Place, place_at

RUNTIME = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/hosted_agent-a1B2c3D4e5"


def test_the_arn_of_a_runtime_is_read_and_written() -> None:
    place = place_at(RUNTIME)

    assert place == Place(
        region="us-west-2", account="123456789012", runtime_id="hosted_agent-a1B2c3D4e5"
    )
    assert place.arn == place.runtime_arn == RUNTIME
    assert place.qualifier == "DEFAULT"


def test_the_arn_of_an_endpoint_names_the_qualifier() -> None:
    place = place_at(f"{RUNTIME}/runtime-endpoint/prod")

    assert place is not None
    assert (place.runtime_arn, place.qualifier) == (RUNTIME, "prod")
    assert place.arn == f"{RUNTIME}/runtime-endpoint/prod"


@pytest.mark.parametrize(
    "location",
    [
        "https://agent.example",
        "arn:",
        "arn:aws:s3:::bucket",
        RUNTIME + "\n",
        RUNTIME + "/",
        RUNTIME.replace("us-west-2", "evil.example/"),
        RUNTIME.replace("us-west-2", ""),
        RUNTIME.replace("123456789012", "12345678901"),
        RUNTIME.replace("hosted_agent-a1B2c3D4e5", "hosted_agent"),
        RUNTIME.replace("hosted_agent-a1B2c3D4e5", "../x-a1B2c3D4e5"),
        RUNTIME.replace("arn:aws:", "arn:aws-:"),
        f"{RUNTIME}/runtime-endpoint/",
        f"{RUNTIME}/runtime-endpoint/a/b",
    ],
)
def test_anything_else_is_no_place(location: str) -> None:
    assert place_at(location) is None
    assert list(places.wrong_location(location))


@pytest.mark.parametrize(
    ("location", "called_with", "asks_for_tokens", "refused"),
    [
        (RUNTIME, places.BEARER, True, False),
        (RUNTIME, places.SIGV4, True, False),
        (RUNTIME, places.SIGV4, False, False),
        (RUNTIME, places.BEARER, False, True),
        (RUNTIME, "", True, True),
        (RUNTIME, "basic", True, True),
        ("https://agent.example", "", True, False),
        ("https://agent.example", places.BEARER, True, True),
        ("https://agent.example", places.SIGV4, False, True),
    ],
)
def test_how_it_is_called_has_to_fit_where_it_runs(
    location: str, called_with: str, asks_for_tokens: bool, refused: bool
) -> None:
    found = list(places.wrong_call(location, called_with, asks_for_tokens=asks_for_tokens))

    assert bool(found) is refused


def test_a_path_and_a_port_are_for_agents_that_run_elsewhere() -> None:
    assert not list(places.wrong_path(RUNTIME, "", None))
    assert not list(places.wrong_path("https://agent.example", "/x", 8080))
    assert list(places.wrong_path(RUNTIME, "/x", None))
    assert list(places.wrong_path(RUNTIME, "", 8080))
