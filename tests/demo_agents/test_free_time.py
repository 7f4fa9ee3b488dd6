"""When somebody has time, by what is on their calendar."""

from __future__ import annotations

from datetime import date

import pytest

from demo.agents.free_time import gaps, told

FRIDAY = date(2026, 11, 27)


def events(*times: tuple[str, str]) -> list[dict[str, str]]:
    return [{"start": start, "end": end, "title": "", "place": ""} for start, end in times]


@pytest.mark.parametrize(
    ("busy", "free"),
    [
        ([], [("09:00", "18:00")]),
        ([("09:00", "18:00")], []),
        ([("08:00", "19:00")], []),
        ([("07:00", "08:30"), ("18:30", "20:00")], [("09:00", "18:00")]),
        ([("10:00", "11:00"), ("11:00", "12:00")], [("09:00", "10:00"), ("12:00", "18:00")]),
        ([("13:00", "14:00"), ("10:00", "15:00")], [("09:00", "10:00"), ("15:00", "18:00")]),
        ([("17:00", "21:00")], [("09:00", "17:00")]),
    ],
)
def test_it_is_the_working_day_without_what_is_on(
    busy: list[tuple[str, str]], free: list[tuple[str, str]]
) -> None:
    assert gaps(events(*busy)) == free


def test_it_is_told_in_a_sentence() -> None:
    assert told(FRIDAY, events(("10:00", "17:00"))) == (
        "**Friday, 27 November 2026**: you are free from 09:00 to 10:00, from 17:00 to 18:00.\n\n"
    )
    assert told(FRIDAY, events(("09:00", "18:00"))).startswith(
        "**Friday, 27 November 2026**: there is no free time"
    )
