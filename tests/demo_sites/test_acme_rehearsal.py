"""Acme: the ledger, and a provider that misbehaves to order."""

from __future__ import annotations

import time

import httpx
import psycopg
import pytest

from tests.demo_sites.journeys import (
    ask,
    authorized,
    events,
    exchange,
    refresh,
    signed_in,
    tokens_of,
)
from tests.fixtures.browsing import get, post
from tests.fixtures.demo_sites import Acme

BOB = "bob@acme.example"


def last_id(acme: Acme) -> int:
    rows = acme.ledger()
    return int(rows[-1]["id"]) if rows else 0


def test_the_ledger_tells_each_call_its_outcome_and_its_family(acme: Acme) -> None:
    before = last_id(acme)
    first = tokens_of(acme, BOB)
    refresh(acme, first["refresh_token"])
    refresh(acme, first["refresh_token"])
    refresh(acme, "made-up")

    rows = acme.ledger(after=before)

    assert [(row["grant_type"], row["outcome"]) for row in rows] == [
        ("authorization_code", "issued"),
        ("refresh_token", "rotated"),
        ("refresh_token", "repeated"),
        ("refresh_token", "invalid_grant"),
    ]
    assert len({row["family"] for row in rows[:3]}) == 1 and rows[0]["family"]
    assert rows[3]["family"] is None
    assert rows[0].keys() == {"id", "at", "grant_type", "outcome", "family"}


def test_the_ledger_counts_by_grant_type_and_outcome(acme: Acme) -> None:
    before = last_id(acme)
    refresh(acme, tokens_of(acme, BOB)["refresh_token"])

    answer = get(
        f"{acme.url}/demo/ledger",
        params={"after": before},
        headers={"Authorization": f"Bearer {acme.ledger_key}"},
    )

    assert answer.json()["counts"] == {
        "authorization_code": {"issued": 1},
        "refresh_token": {"rotated": 1},
    }


def test_the_ledger_tells_of_a_reuse_and_of_a_replay(acme: Acme) -> None:
    asked, answer = authorized(acme, BOB)
    first = exchange(acme, asked, answer["code"]).json()
    second = refresh(acme, first["refresh_token"]).json()
    refresh(acme, second["refresh_token"])
    before = last_id(acme)

    refresh(acme, first["refresh_token"])
    exchange(acme, asked, answer["code"])

    assert [row["outcome"] for row in acme.ledger(after=before)] == [
        "reuse_detected",
        "code_replayed",
    ]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE acme_ledgerentry SET outcome = ''",
        "DELETE FROM acme_ledgerentry",
        "TRUNCATE acme_ledgerentry",
    ],
)
def test_the_ledger_is_only_added_to(acme: Acme, change: str) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        acme.sql(change)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": ""}])
def test_without_the_key_there_is_nothing_to_see_or_to_break(
    acme: Acme, header: dict[str, str]
) -> None:
    order = {"kind": "500", "count": 1}

    assert get(f"{acme.url}/demo/ledger", headers=header).status_code == 401
    assert post(f"{acme.url}/demo/faults", json=order, headers=header).status_code == 401
    elsewhere = {"redirect_uri": "https://evil.example/"}
    refused = post(f"{acme.url}/demo/redirect-uris", data=elsewhere, headers=header)
    assert refused.status_code == 401
    with signed_in(acme, BOB) as client:
        assert client.get(ask(acme, **elsewhere).path).status_code == 400
    assert tokens_of(acme, BOB)


def test_a_site_that_was_given_no_key_has_neither(strict_acme: Acme) -> None:
    for header in ({}, {"Authorization": "Bearer none"}):
        assert get(f"{strict_acme.url}/demo/ledger", headers=header).status_code == 404
        for path in ("faults", "redirect-uris"):
            assert post(f"{strict_acme.url}/demo/{path}", headers=header).status_code == 404


def test_consent_may_end_at_an_address_that_was_added(acme: Acme) -> None:
    added = "http://localhost:8000/another-callback"
    headers = {"Authorization": f"Bearer {acme.ledger_key}"}

    answer = post(f"{acme.url}/demo/redirect-uris", data={"redirect_uri": added}, headers=headers)

    assert answer.json() == {"redirect_uris": [*acme.redirect_uris, added]}
    assert "code" in authorized(acme, BOB, redirect_uri=added)[1]
    assert tokens_of(acme, BOB)


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "explode", "count": 1},
        {"kind": "500", "count": 101},
        {"kind": "slow", "count": 1, "seconds": 31},
        {"kind": "500", "count": -1},
        {"kind": "500"},
        [],
    ],
)
def test_an_order_that_cannot_be_is_refused(acme: Acme, order: object) -> None:
    headers = {"Authorization": f"Bearer {acme.ledger_key}"}

    answer = post(f"{acme.url}/demo/faults", json=order, headers=headers)

    assert answer.status_code == 400
    assert tokens_of(acme, BOB)


def test_a_500_does_nothing_and_is_over_when_it_was_given(acme: Acme) -> None:
    first = tokens_of(acme, BOB)
    before = last_id(acme)
    acme.order_fault("500", count=2)

    statuses = [refresh(acme, first["refresh_token"]).status_code for _ in range(3)]

    assert statuses == [500, 500, 200]
    assert [row["outcome"] for row in acme.ledger(after=before)] == [
        "fault_500",
        "fault_500",
        "rotated",
    ]


def test_a_429_says_when_to_come_back(acme: Acme) -> None:
    acme.order_fault("429", seconds=7)

    answer = refresh(acme, "made-up")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_a_malformed_answer_calls_itself_json_and_is_none(acme: Acme) -> None:
    acme.order_fault("malformed")

    answer = refresh(acme, "made-up")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    with pytest.raises(ValueError):
        answer.json()


def test_a_slow_answer_is_right_and_late(acme: Acme) -> None:
    first = tokens_of(acme, BOB)
    acme.order_fault("slow", seconds=1)
    started = time.monotonic()

    answer = refresh(acme, first["refresh_token"])

    assert answer.status_code == 200
    assert time.monotonic() - started >= 1


def test_a_dropped_answer_was_a_rotation_and_can_be_asked_for_again(acme: Acme) -> None:
    first = tokens_of(acme, BOB)
    before = last_id(acme)
    acme.order_fault("drop_after_rotation")

    with pytest.raises(httpx.TransportError):
        refresh(acme, first["refresh_token"])
    again = refresh(acme, first["refresh_token"])

    assert [row["outcome"] for row in acme.ledger(after=before)] == ["rotated", "repeated"]
    assert events(acme, again.json()["access_token"]).status_code == 200
    assert refresh(acme, again.json()["refresh_token"]).status_code == 200
