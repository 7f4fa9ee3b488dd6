from typing import Any

import pytest

from core.wire import model
from core.wire.patterns import CONTAINER_URI, MAX_CHARS, PatternRefused, matcher
from tests.effort import ended_if_endless


def rules(operation: str, *path: str) -> dict[str, Any]:
    """Return what the model says of a member of an operation's input."""
    shape: Any = model.operations()[operation].input_shape
    for name in path:
        shape = shape.members[name]
    metadata: dict[str, Any] = shape.metadata
    return metadata


JWT: str = rules("GetWorkloadAccessTokenForJWT", "userToken")["pattern"]
JWT_MAX: int = rules("GetWorkloadAccessTokenForJWT", "userToken")["max"]
DISCOVERY: str = rules(
    "CreateAgentRuntime", "authorizerConfiguration", "customJWTAuthorizer", "discoveryUrl"
)["pattern"]


def test_a_pattern_means_the_whole_value() -> None:
    matches = matcher("[a-z]+", max_chars=5)

    assert matches("abc")
    for value in ("abc1", "1abc", "abc\n", ""):
        assert not matches(value)


def test_classes_are_ascii_as_in_java() -> None:
    assert not matcher(r"\w+", max_chars=5)("代行")
    assert not matcher(r"\d+", max_chars=5)("\u0663")


def test_a_value_longer_than_the_limit_does_not_match() -> None:
    assert not matcher("a+", max_chars=3)("aaaa")
    assert matcher("a+", max_chars=None)("a" * MAX_CHARS)
    assert not matcher("a+", max_chars=None)("a" * (MAX_CHARS + 1))


def test_a_pattern_that_python_cannot_compile_is_refused() -> None:
    with pytest.raises(PatternRefused, match="does not compile"):
        matcher(r"[^\p{C}]*", max_chars=10)


def test_a_pattern_over_long_values_that_nobody_looked_at_is_refused() -> None:
    with pytest.raises(PatternRefused, match="linear"):
        matcher("(a+)+", max_chars=MAX_CHARS + 1)


def test_a_jwt_matches_and_what_has_no_two_dots_does_not() -> None:
    matches = matcher(JWT, max_chars=JWT_MAX)

    assert matches("eyJ0eXAi-_=.e30.c2ln")
    for value in ("eyJ0eXAi", "a.b", "a.b.", ".b.c", "a.b.c.d", "a.b.c\n", "a b.c.d", "aaaaa"):
        assert not matches(value)


@pytest.mark.parametrize(
    ("pattern", "limit", "hostile"),
    [
        (JWT, JWT_MAX, "a" * JWT_MAX),
        (JWT, JWT_MAX, "a." * (JWT_MAX // 2)),
        (JWT, JWT_MAX, "a" * (JWT_MAX - 1) + "!"),
        (DISCOVERY, None, "/.well-known/openid-configuration" * 240 + " "),
        (DISCOVERY, None, "a" * MAX_CHARS),
    ],
    ids=["jwt without dots", "jwt of dots", "jwt at the end", "discovery repeated", "discovery"],
)
def test_a_hostile_value_does_not_hold_the_process(
    pattern: str, limit: int | None, hostile: str
) -> None:
    matches = matcher(pattern, max_chars=limit)

    with ended_if_endless():  # the model's own JWT pattern takes days
        assert not matches(hostile)


def test_where_an_agent_runs_may_be_a_url_instead_of_an_image() -> None:
    path = ("agentRuntimeArtifact", "containerConfiguration", "containerUri")
    limits = rules("CreateAgentRuntime", *path)
    assert limits["pattern"] == CONTAINER_URI  # else the model has changed, and nothing is relaxed

    matches = matcher(limits["pattern"], max_chars=limits["max"])

    assert matches("https://agents.example/concierge?")
    assert matches("000000000000.dkr.ecr.us-east-1.amazonaws.com/agents:latest")
    for value in ("https://agents.example/a b", "\n", "https://a/\n", "a" * (limits["max"] + 1)):
        assert not matches(value)
