"""Who is in the demo organisation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """Somebody in the demo organisation."""

    username: str
    first_name: str
    last_name: str
    groups: tuple[str, ...]


PEOPLE = (
    Person("alice", "Alice", "Adams", ("admins", "staff")),
    Person("bob", "Bob", "Brown", ("staff",)),
    Person("charlie", "Charlie", "Clark", ()),
)
