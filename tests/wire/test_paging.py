"""A list that is answered in pages misses no row and tells none twice."""

from __future__ import annotations

import pytest

from agents.models import WorkloadIdentity
from core.errors import InvalidRequest
from tests.wire.asking import ask, field_of, refused

pytestmark = pytest.mark.django_db

LIST = "ListWorkloadIdentities"


def made(*names: str) -> None:
    WorkloadIdentity.objects.bulk_create(WorkloadIdentity(name=name) for name in names)


def pages(size: int) -> list[list[str]]:
    found, more = [], ask(LIST, maxResults=size)
    while True:
        found.append([row["name"] for row in more["workloadIdentities"]])
        if "nextToken" not in more:
            return found
        more = ask(LIST, maxResults=size, nextToken=more["nextToken"])


def test_pages_are_full_and_the_last_one_says_that_it_is_the_last() -> None:
    assert pages(2) == [[]]
    made("eee", "aaa", "ccc", "bbb")
    assert pages(2) == [["aaa", "bbb"], ["ccc", "eee"]]
    assert pages(3) == [["aaa", "bbb", "ccc"], ["eee"]]


def test_a_page_has_twenty_rows_unless_told() -> None:
    made(*(f"number-{n:02}" for n in range(21)))

    first = ask(LIST)
    rest = ask(LIST, nextToken=first["nextToken"])

    assert (len(first["workloadIdentities"]), len(rest["workloadIdentities"])) == (20, 1)


def test_what_comes_and_goes_between_two_pages_moves_no_other_row() -> None:
    made("bbb", "ccc", "ddd")
    first = ask(LIST, maxResults=2)
    made("aaa", "cca")
    WorkloadIdentity.objects.filter(name="ccc").delete()

    rest = ask(LIST, nextToken=first["nextToken"])

    assert [row["name"] for row in rest["workloadIdentities"]] == ["ddd"]


@pytest.mark.parametrize("token", ["", "x", "ImFhYSI:x", "ImFhYSI"])
def test_a_token_that_was_not_given_here_is_refused(token: str) -> None:
    made("aaa", "bbb")

    assert field_of(refused(InvalidRequest, LIST, nextToken=token)) == "nextToken"
