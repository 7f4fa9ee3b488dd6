"""The accounts at Acme, and what is in their calendars.

Nothing here has to do with the accounts of the identity provider but the first names: a person
signs in at Acme on their own, with another password.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TypedDict


@dataclass(frozen=True)
class Entry:
    """An event, without the day it is on."""

    start: time
    end: time
    title: str
    place: str


@dataclass(frozen=True)
class AccountData:
    """An account, its name, and its calendar of today and of tomorrow."""

    email: str
    name: str
    today: tuple[Entry, ...]
    tomorrow: tuple[Entry, ...]


class Event(TypedDict):
    """An event as the API answers it; times are RFC 3339, UTC."""

    start: str
    end: str
    title: str
    place: str


def _entry(start: str, end: str, title: str, place: str) -> Entry:
    return Entry(time.fromisoformat(start), time.fromisoformat(end), title, place)


ACCOUNTS = (
    AccountData(
        "alice@acme.example",
        "Alice Adams",
        today=(
            _entry("08:30", "09:00", "Board paper, last read", "Library"),
            _entry("09:30", "10:30", "Hiring panel: platform engineer", "Room Juniper"),
            _entry("11:00", "11:30", "Security review of the access log", "Room Maple"),
            _entry("12:15", "13:15", "Lunch with the auditors", "Canteen, window table"),
            _entry("14:00", "15:00", "Budget for the new office", "Room Juniper"),
            _entry("17:30", "18:30", "Choir rehearsal", "St Mark's Hall"),
        ),
        tomorrow=(
            _entry("09:00", "09:45", "One-to-one with Charlie", "Room Maple"),
            _entry("10:00", "11:00", "Contract with the printing house", "Video call"),
            _entry("11:30", "12:00", "Fire drill", "Main entrance"),
            _entry("13:30", "14:30", "Interview: platform engineer", "Room Juniper"),
            _entry("15:00", "16:00", "Company all-hands", "Atrium"),
            _entry("18:00", "19:00", "Parents' evening", "Hillside School"),
        ),
    ),
    AccountData(
        "bob@acme.example",
        "Bob Brown",
        today=(
            _entry("08:15", "09:00", "Dentist", "Dr Okafor, 4 Mill Lane"),
            _entry("09:30", "09:45", "Stand-up", "Room Birch"),
            _entry("10:00", "11:30", "Quarterly review with Priya", "Room Cedar"),
            _entry("12:30", "13:30", "Lunch with Tomas", "Noodle bar, Station Road"),
            _entry("15:00", "15:45", "Demo of the calendar agent", "Video call"),
            _entry("18:30", "20:00", "Climbing", "The Wall, Quay Street"),
        ),
        tomorrow=(
            _entry("09:30", "09:45", "Stand-up", "Room Birch"),
            _entry("10:00", "12:00", "Planning of the spring release", "Room Cedar"),
            _entry("13:00", "13:30", "Pick up the bicycle", "Spokes, 19 High Street"),
            _entry("14:00", "15:00", "Customer call: Larkspur Foods", "Video call"),
            _entry("16:00", "16:30", "Retrospective", "Room Birch"),
            _entry("19:00", "21:30", "Cinema with Hana", "Regent, screen 2"),
        ),
    ),
    AccountData(
        "charlie@acme.example",
        "Charlie Clark",
        today=(
            _entry("07:45", "08:30", "Swimming", "Riverside Pool"),
            _entry("09:15", "10:00", "Stock count", "Warehouse, bay 3"),
            _entry("10:30", "11:30", "Visit of the tax adviser", "Room Willow"),
            _entry("13:00", "13:45", "Forklift refresher", "Yard"),
            _entry("14:30", "15:30", "Delivery from Port Ellen", "Gate 2"),
            _entry("19:30", "21:00", "Chess club", "The Old Post"),
        ),
        tomorrow=(
            _entry("08:00", "08:30", "Van to the garage", "Brook Motors"),
            _entry("09:00", "09:45", "One-to-one with Alice", "Room Maple"),
            _entry("11:00", "12:00", "Safety walk", "Warehouse"),
            _entry("13:30", "14:00", "Call the insurer", "Desk"),
            _entry("15:30", "16:30", "New shelves for bay 5", "Warehouse, bay 5"),
            _entry("18:00", "18:45", "Vet: Biscuit's jab", "Paws & Co"),
        ),
    ),
)

_BY_EMAIL = {account.email: account for account in ACCOUNTS}


def events(email: str, *, day: date, today: date) -> list[Event]:
    """Return what is in the calendar of `email` on `day`: today and tomorrow are full, others free.

    Raises:
        KeyError: there is no such account.
    """
    account = _BY_EMAIL[email]
    entries = {0: account.today, 1: account.tomorrow}.get((day - today).days, ())
    return [
        Event(
            start=_moment(day, entry.start),
            end=_moment(day, entry.end),
            title=entry.title,
            place=entry.place,
        )
        for entry in entries
    ]


def _moment(day: date, at: time) -> str:
    return datetime.combine(day, at, UTC).isoformat()
