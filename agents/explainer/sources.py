"""Where the tokens of signed-in people come from: whoever keeps sign-ins registers here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from core.secret import Secret
from core.subject import Subject


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person who is signed in; `key` is what their token is asked for by."""

    key: str
    name: str
    subject: Subject


class Source(Protocol):
    """Who is signed in, and what their agents are called with."""

    def signed_in(self, *, at_most: int) -> list[SignedIn]:
        """Return the people who signed in last, the newest first."""

    def token_of(self, person: SignedIn) -> Secret:
        """Return a person's present access token. Raises AppError where there is none any more."""


_sources: list[Source] = []


def include(source: Source) -> None:
    """Let admins choose among the people of `source`; the last one counts."""
    _sources.append(source)


def source() -> Source | None:
    """Return who was included, or None."""
    return _sources[-1] if _sources else None
