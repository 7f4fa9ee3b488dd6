"""The README is the same in both languages: its commands, its pictures, and where it leads."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize(
    "what",
    [r"```\n(.*?)```", r"\]\(((?!README)[^)]*)\)", r"`([^`\n]+)`"],
    ids=["commands", "links and pictures", "names"],
)
def test_both_say_the_same(what: str) -> None:
    english, japanese = (
        re.findall(what, read(name), re.DOTALL) for name in ("README.md", "README.ja.md")
    )

    assert english
    assert sorted(set(japanese)) == sorted(set(english))


@pytest.mark.parametrize(
    ("name", "other"), [("README.md", "README.ja.md"), ("README.ja.md", "README.md")]
)
def test_each_leads_to_the_other_and_nowhere_that_is_not(name: str, other: str) -> None:
    links = re.findall(r"\]\(([^)#:]*)\)", read(name))

    assert other in links
    assert [link for link in links if not (ROOT / link).exists()] == []
