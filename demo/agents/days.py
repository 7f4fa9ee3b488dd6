"""The days that a sentence speaks of: "tomorrow", "on Friday", "24 November", "this week"."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

MAX_DAYS = 7

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_SATURDAY, _SUNDAY = 5, 6
# A date without a year that lies further back than this means the one of next year.
_LONG_PAST = timedelta(days=180)


def _in_days(today: date, *offsets: int) -> list[date]:
    return [today + timedelta(days=offset) for offset in offsets]


def _counted(match: re.Match[str]) -> int:
    return int(match["n"]) * (7 if match["unit"].lower().startswith("week") else 1)


def _weekday(match: re.Match[str], today: date) -> list[date]:
    ahead = (_WEEKDAYS.index(match["weekday"].lower()) - today.weekday()) % 7
    which = (match["which"] or "").lower()
    if which == "last":
        return _in_days(today, ahead - 7)
    return _in_days(today, ahead + 7 if which == "next" and not ahead else ahead)


def _week(match: re.Match[str], today: date) -> list[date]:
    monday = today - timedelta(days=today.weekday())
    if match["week"].lower() == "next":
        return _in_days(monday, *range(7, 14))
    return _in_days(today, *range(_SUNDAY - today.weekday() + 1))


def _weekend(_: re.Match[str], today: date) -> list[date]:
    if today.weekday() == _SUNDAY:
        return [today]
    saturday = _SATURDAY - today.weekday()
    return _in_days(today, saturday, saturday + 1)


def _month_day(match: re.Match[str], today: date) -> list[date]:
    month = _MONTHS.index(match["month"].lower()) + 1
    year = int(match["year"] or today.year)
    day = date(year, month, int(match["day"]))
    if not match["year"] and today - day > _LONG_PAST:
        day = date(year + 1, month, int(match["day"]))
    return [day]


_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_COUNT = r"(?P<n>\d{1,3})\s+(?P<unit>days?|weeks?)"
_YEAR = r"(?:,?\s+(?P<year>\d{4}))?"

# In the order in which they are tried: "the day after tomorrow" before "tomorrow".
_PHRASES: tuple[tuple[str, Callable[[re.Match[str], date], list[date]]], ...] = (
    (r"\d{4}-\d{2}-\d{2}", lambda match, _: [date.fromisoformat(match[0])]),
    (rf"{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}", _month_day),
    (rf"{_MONTH}\s+(?:the\s+)?{_DAY}{_YEAR}", _month_day),
    (r"day after tomorrow", lambda _, today: _in_days(today, 2)),
    (r"day before yesterday", lambda _, today: _in_days(today, -2)),
    (r"today|tonight|this (?:morning|afternoon|evening)", lambda _, today: [today]),
    (r"tomorrow", lambda _, today: _in_days(today, 1)),
    (r"yesterday", lambda _, today: _in_days(today, -1)),
    (rf"in\s+{_COUNT}", lambda match, today: _in_days(today, _counted(match))),
    (rf"{_COUNT}\s+ago", lambda match, today: _in_days(today, -_counted(match))),
    (rf"next\s+{_COUNT}", lambda match, today: _in_days(today, *range(_counted(match)))),
    (rf"(?:(?P<which>next|last|this)\s+)?(?P<weekday>{'|'.join(_WEEKDAYS)})", _weekday),
    (r"weekend", _weekend),
    (r"(?P<week>this|next)\s+week", _week),
)
_COMPILED = tuple(
    (re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE), days) for phrase, days in _PHRASES
)


def today() -> date:
    """Return the date in UTC, which is how Acme keeps its calendars."""
    return datetime.now(UTC).date()


def days_in(text: str, *, today: date) -> list[date]:
    """Return the days that `text` names, the earliest first, `MAX_DAYS` at most.

    A day that does not exist ("31 November") is left out.
    """
    found: dict[date, None] = {}
    for pattern, days in _COMPILED:
        for match in pattern.finditer(text):
            try:
                found.update(dict.fromkeys(days(match, today)))
            except (ValueError, OverflowError):
                continue
        # What one phrase has taken is not there for the next.
        text = pattern.sub(" ", text)
    return sorted(found)[:MAX_DAYS]
