"""The time of a working day in which nothing is on a calendar."""

from collections.abc import Iterable
from datetime import date
from typing import Any

DAY_STARTS, DAY_ENDS = "09:00", "18:00"


def gaps(events: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return when nothing is on, between 09:00 and 18:00, as pairs of "09:30" and "11:00"."""
    found, free_from = [], DAY_STARTS
    for event in sorted(events, key=lambda event: str(event["start"])):
        start = min(str(event["start"]), DAY_ENDS)
        if start > free_from:
            found.append((free_from, start))
        free_from = max(free_from, str(event["end"]))
    if free_from < DAY_ENDS:
        found.append((free_from, DAY_ENDS))
    return found


def told(day: date, events: Iterable[dict[str, Any]]) -> str:
    """Return a sentence on the free time of a day, in markdown."""
    heading = f"**{day:%A}, {day.day} {day:%B %Y}**"
    free = [f"from {start} to {end}" for start, end in gaps(events)]
    if not free:
        return f"{heading}: there is no free time between {DAY_STARTS} and {DAY_ENDS}.\n\n"
    return f"{heading}: you are free {', '.join(free)}.\n\n"
