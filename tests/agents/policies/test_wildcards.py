from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.policies.wildcards import matches

LETTERS = st.text("ab*?", max_size=8)


@given(pattern=LETTERS, value=LETTERS)
def test_it_means_what_a_regular_expression_would(pattern: str, value: str) -> None:
    spelled = "".join({"*": ".*", "?": "."}.get(char, char) for char in pattern)

    assert matches(pattern, value) is bool(re.fullmatch(spelled, value))


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("bedrock-agentcore:Get*", "bedrock-agentcore:GetToken", True),
        ("*", "", True),
        ("?", "", False),
        ("a*", "ba", False),
        ("*.example", "idp.example.evil", False),
    ],
)
def test_the_whole_value_has_to_fit(pattern: str, value: str, expected: bool) -> None:
    assert matches(pattern, value) is expected


def test_many_stars_do_not_take_long() -> None:
    assert not matches("*a" * 500 + "b", "a" * 1000)
