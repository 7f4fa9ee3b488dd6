"""Where an authorization server departs from the RFCs, in what it wants sent and in its answers.

Most need none of this. What a server needs is data of whoever knows the server (`vault.vendors`);
here is what the data can say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = Mapping[str, Any]


def as_it_is(body: Body) -> Body:
    """Return `body`: the server answers as RFC 6749 section 5.1 has it."""
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one server differs. The default does not."""

    # Its requests: JSON where the RFC has a form, and headers that it insists on.
    sends_json: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    # Its tokens: where they stand, what parts scopes, and how long one without `expires_in` lives.
    read: Callable[[Body], Body] = as_it_is
    scope_separator: str = " "
    assumed_lifetime_s: int | None = None
    # Its own words for `invalid_grant`, and for a token that it is told to end and that has ended.
    rejected: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server said no with. Nothing in it is redacted yet."""

    error: str
    description: str

    def is_any_of(self, words: frozenset[str]) -> bool:
        """Say whether the server used any of `words`, as error or as description."""
        return self.error in words or self.description in words


def refusal_in(body: Body) -> Refusal:
    """Return the refusal in `body`, as RFC 6749 section 5.2 has it or as others do.

    Others put an object under `error` (Facebook, Dropbox), a number beside a message
    (Reddit, Twitch), or `code` and `message` (Notion, HubSpot).
    """
    error = body.get("error")
    if isinstance(error, Mapping):
        return Refusal(_first(error, "code", "type", ".tag"), _first(error, "message"))
    return Refusal(
        _first(body, "error", "code", "category", "status"),
        _first(body, "error_description", "message"),
    )


def scope_in(body: Body, separator: str) -> str | None:
    """Return the scopes of an answer, parted by spaces. None: it does not say."""
    scope = body.get("scope")
    if isinstance(scope, list):
        return " ".join(each for each in scope if isinstance(each, str))
    return scope.replace(separator, " ") if isinstance(scope, str) else None


def _first(body: Body, *names: str) -> str:
    """Return the first text, or number as text, that stands under any of `names`."""
    for name in names:
        value = body.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return ""
