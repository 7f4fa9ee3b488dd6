"""The form of a token request, read strictly (RFC 6749 section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from core.errors import InvalidRequest, invalid

_TYPE = "application/x-www-form-urlencoded"
_MAX_FIELDS = 50
# RFC 8693 section 2.1, RFC 8707 section 2. All others stand once.
_MAY_REPEAT = frozenset({"audience", "resource"})
# As the wire API bounds what means the same; rows have no room for more.
_LONGEST = {
    "audience": 128,
    "flow": 64,
    "redirect_uri": 2048,
    "resource": 2048,
    "session_uri": 1024,
    "state": 4096,
}


class Form:
    """The parameters that were sent with a value; those without count as left out."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            if not value.isprintable():
                raise invalid(name, "A value holds a control character.")
            if len(value) > _LONGEST.get(name, len(value)):
                raise invalid(name, f"A {name} has at most {_LONGEST[name]} characters.")
            if value:
                self._values.setdefault(name, []).append(value)
        for name, values in self._values.items():
            if len(values) > 1 and name not in _MAY_REPEAT:
                raise invalid(name, f"The parameter {name!r} stands more than once.")

    def all(self, name: str) -> list[str]:
        """Return every value of a parameter."""
        return self._values.get(name, [])

    def get(self, name: str) -> str | None:
        """Return the value of a parameter that stands once, or None."""
        return next(iter(self.all(name)), None)

    def required(self, name: str) -> str:
        """Return the value of a parameter that stands once. Raises InvalidRequest without one."""
        value = self.get(name)
        if value is None:
            raise invalid(name, f"The parameter {name!r} is missing.")
        return value


def parsed(headers: Mapping[str, str], body: bytes) -> Form:
    """Return the form in the body; the names of `headers` are lower case.

    Raises:
        InvalidRequest: it is no form, or a parameter stands more often, or is longer, than it may.
    """
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise InvalidRequest(f"The body must be {_TYPE}.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise InvalidRequest(f"The body is no {_TYPE} of UTF-8.") from None
    return Form(pairs)
