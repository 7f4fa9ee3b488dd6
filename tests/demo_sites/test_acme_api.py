"""Acme: the calendar API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from demo.acme.roster import ACCOUNTS
from tests.demo_sites.journeys import events, tokens_of
from tests.fixtures.browsing import get
from tests.fixtures.demo_sites import Acme

BOB = "bob@acme.example"


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def titles(answer: httpx.Response) -> list[str]:
    return [event["title"] for event in answer.json()["events"]]


def test_it_answers_todays_events_of_the_account_that_consented(acme: Acme) -> None:
    answer = events(acme, tokens_of(acme, BOB)["access_token"])

    assert answer.json()["account"] == BOB
    assert answer.json()["day"] == today()
    assert answer.json()["events"][0] == {
        "start": f"{today()}T08:15:00+00:00",
        "end": f"{today()}T09:00:00+00:00",
        "title": "Dentist",
        "place": "Dr Okafor, 4 Mill Lane",
    }
    assert "Quarterly review with Priya" in titles(answer)
    assert answer.headers["cache-control"] == "no-store"


def test_every_account_has_events_of_its_own_today_and_tomorrow() -> None:
    days = [day for account in ACCOUNTS for day in (account.today, account.tomorrow)]

    assert all(len(day) >= 6 for day in days)
    assert len({entry.title for account in ACCOUNTS for entry in account.today}) == 18


def test_tomorrow_is_another_day_and_next_month_is_free(acme: Acme) -> None:
    access = tokens_of(acme, BOB)["access_token"]
    tomorrow = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
    next_month = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()

    assert "Pick up the bicycle" in titles(events(acme, access, day=tomorrow))
    assert titles(events(acme, access, day=next_month)) == []


@pytest.mark.parametrize("day", ["", "tomorrow", "2026-02-30", "1"])
def test_a_day_that_is_none_is_refused(acme: Acme, day: str) -> None:
    answer = events(acme, tokens_of(acme, BOB)["access_token"], day=day)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_day")


def test_without_a_token_it_says_how_to_come_back_and_no_error(acme: Acme) -> None:
    answer = get(f"{acme.url}/api/calendar/events")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="acme-calendar"'


@pytest.mark.parametrize("header", ["Basic Ym9iOng=", "Bearer", "Token abc"])
def test_other_credentials_are_no_token(acme: Acme, header: str) -> None:
    answer = get(f"{acme.url}/api/calendar/events", headers={"Authorization": header})

    assert answer.status_code == 401 and "events" not in answer.json()


def test_an_unknown_token_is_invalid(acme: Acme) -> None:
    answer = events(acme, "made-up")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="acme-calendar", error="invalid_token"'
    )


def test_a_refresh_token_does_not_open_the_calendar(acme: Acme) -> None:
    assert events(acme, tokens_of(acme, BOB)["refresh_token"]).status_code == 401


def test_a_token_in_the_address_is_not_looked_at(acme: Acme) -> None:
    access = tokens_of(acme, BOB)["access_token"]

    answer = get(f"{acme.url}/api/calendar/events", params={"access_token": access})

    assert answer.status_code == 401


def test_another_scope_is_not_enough(acme: Acme) -> None:
    answer = events(acme, tokens_of(acme, BOB, scope="calendar.write")["access_token"])

    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="acme-calendar", error="insufficient_scope", scope="calendar.read"'
    )


def test_a_session_cookie_is_no_token(acme: Acme) -> None:
    tokens_of(acme, BOB)

    answer = get(f"{acme.url}/api/calendar/events", cookies={"acme_session": "x"})

    assert answer.status_code == 401
