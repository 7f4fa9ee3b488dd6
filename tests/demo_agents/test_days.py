from datetime import date

import pytest

from demo.agents.days import MAX_DAYS, days_in

SUNDAY = date(2026, 11, 22)
WEDNESDAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is on my calendar today?", ["2026-11-25"]),
        ("and Tomorrow?", ["2026-11-26"]),
        ("the day after tomorrow", ["2026-11-27"]),
        ("the day before yesterday", ["2026-11-23"]),
        ("this morning", ["2026-11-25"]),
        ("today and tomorrow", ["2026-11-25", "2026-11-26"]),
        ("tomorrow, or rather today", ["2026-11-25", "2026-11-26"]),
        ("on wednesday", ["2026-11-25"]),
        ("next Wednesday", ["2026-12-02"]),
        ("next Friday", ["2026-11-27"]),
        ("last Friday", ["2026-11-20"]),
        ("last Wednesday", ["2026-11-18"]),
        ("in 3 days", ["2026-11-28"]),
        ("2 weeks ago", ["2026-11-11"]),
        ("the next 3 days", ["2026-11-25", "2026-11-26", "2026-11-27"]),
        ("on 2027-01-31", ["2027-01-31"]),
        ("on the 3rd of December", ["2026-12-03"]),
        ("December 24, 2027", ["2027-12-24"]),
        ("January 2", ["2027-01-02"]),
        ("November 2", ["2026-11-02"]),
        ("this weekend", ["2026-11-28", "2026-11-29"]),
        ("my meetings", []),
        ("may I ask", []),
    ],
)
def test_it_finds_the_days_that_a_sentence_names(text: str, expected: list[str]) -> None:
    assert [str(day) for day in days_in(text, today=WEDNESDAY)] == expected


def test_this_week_ends_on_sunday_and_next_week_is_whole() -> None:
    assert days_in("this week", today=SUNDAY) == [SUNDAY]
    assert [str(day) for day in days_in("next week", today=SUNDAY)] == [
        f"2026-11-{day}" for day in range(23, 30)
    ]


def test_on_sunday_the_weekend_is_what_is_left_of_it() -> None:
    assert days_in("the weekend", today=SUNDAY) == [SUNDAY]


@pytest.mark.parametrize("text", ["31 November", "2026-02-30", "2026-13-01", "February 29, 2027"])
def test_a_day_that_does_not_exist_is_left_out(text: str) -> None:
    assert days_in(text, today=WEDNESDAY) == []


def test_it_never_finds_more_than_a_week() -> None:
    assert len(days_in("the next 365 days", today=WEDNESDAY)) == MAX_DAYS
