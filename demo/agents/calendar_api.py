"""The calendar API of Acme, the third party, read with the person's own access token."""

import json
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_MAX_BYTES = 1 << 20


class Event(TypedDict):
    """One entry of a calendar; times are those of the calendar, as "09:30"."""

    start: str
    end: str
    title: str
    place: str


class CalendarRefused(Exception):
    """The token is not accepted: the grant was withdrawn at Acme, or lacks the scope."""


class CalendarUnavailable(Exception):
    """No usable answer from Acme."""


async def events_on(day: date, *, api_url: str, access_token: str) -> list[Event]:
    """Return the person's events of `day`, the earliest first.

    Raises:
        CalendarRefused: 401 or 403 (RFC 6750 section 3.1).
        CalendarUnavailable: anything else that is not a calendar.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(
                f"{api_url}/api/calendar/events",
                params={"day": day.isoformat()},
                headers={"Authorization": f"Bearer {access_token}"},
                allow_redirects=False,  # the token is for this address and no other
            ) as response,
        ):
            status = response.status
            body = await _bounded(response.content)
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise CalendarUnavailable(type(exc).__name__) from None

    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise CalendarRefused
    if status != HTTPStatus.OK:
        raise CalendarUnavailable(f"status {status}")
    try:
        return sorted((_event(item) for item in json.loads(body)["events"]), key=_start)
    except (ValueError, KeyError, TypeError) as exc:
        raise CalendarUnavailable(type(exc).__name__) from None


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise CalendarUnavailable("too large")
    return bytes(body)


def _event(item: dict[str, Any]) -> Event:
    return Event(
        start=f"{datetime.fromisoformat(item['start']):%H:%M}",
        end=f"{datetime.fromisoformat(item['end']):%H:%M}",
        title=str(item["title"]),
        place=str(item["place"]),
    )


def _start(event: Event) -> str:
    return event["start"]
