"""Values held against the rules of a model's shape.

`ReaderCompiler` turns a shape into a reader once; reading is then a walk over closures. What comes
out are plain values, in which times are aware datetimes, blobs are bytes, and every string that
the model calls sensitive is a `Secret`.

Rules and words are those of AWS. Beyond them, a string holds no null character and no half of a
surrogate pair, which no database column would take.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from core.errors import FieldError, InvalidRequest
from core.secret import Secret
from core.wire.patterns import matcher
from core.wire.shapes import Compiler

MAX_FIELD_ERRORS = 20
INTEGERS = {"integer": 2**31, "long": 2**63}

Json = Any
Reader = Callable[[Json, str, "Problems"], Any]


class Problems:
    """The rules that a request breaks, by the dotted path of the member, up to a limit."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add(self, path: str, constraint: str) -> None:
        if len(self.found) < MAX_FIELD_ERRORS:
            self.found.append((path, constraint))

    def refuse(self) -> None:
        """Raise InvalidRequest, in AWS's words and without any value, if a rule is broken."""
        if not self.found:
            return
        fields = tuple(
            FieldError(path, f"Value at '{path}' failed to satisfy constraint: {constraint}")
            for path, constraint in self.found
        )
        number = "1 validation error" if len(fields) == 1 else f"{len(fields)} validation errors"
        listed = "; ".join(str(field.message) for field in fields)
        raise InvalidRequest(f"{number} detected: {listed}", fields=fields)


class Member(NamedTuple):
    name: str
    sent_as: str
    reader: Reader
    required: bool


def read_members(
    members: Iterable[Member], sent: Mapping[str, Json], path: str, problems: Problems
) -> dict[str, Any]:
    """Return the members that are there. A null is a member that is not there, as at AWS."""
    values = {}
    for name, sent_as, reader, required in members:
        value = sent.get(sent_as)
        if value is not None:
            values[name] = reader(value, f"{path}{name}", problems)
        elif required:
            problems.add(f"{path}{name}", "Member must not be null")
    return values


class ReaderCompiler(Compiler[Reader]):
    """Makes a reader of each shape."""

    def member(self, name: str, shape: Shape, *, required: bool, sensitive: bool = False) -> Member:
        sent_as = shape.serialization.get("name", name)
        return Member(name, sent_as, self.made(shape, sensitive=sensitive), required)

    def _scalar(self, shape: Shape, *, sensitive: bool) -> Reader | None:
        if isinstance(shape, StringShape):
            return _string(shape, sensitive=sensitive)
        if shape.type_name in INTEGERS:
            return _integer(shape)
        make = _SCALARS.get(shape.type_name)
        return make(shape) if make else None

    def _structure(self, shape: StructureShape, *, sensitive: bool) -> Reader:
        members = [
            self.member(name, inner, required=name in shape.required_members, sensitive=sensitive)
            for name, inner in shape.members.items()
        ]
        is_union = shape.is_tagged_union
        names = {member.sent_as for member in members}

        def read(value: Json, path: str, problems: Problems) -> Any:
            if not isinstance(value, dict):
                problems.add(path, "Member must be an object")
                return None
            if is_union:
                given = {name for name, inner in value.items() if inner is not None}
                if len(given) != 1 or not given <= names:
                    listed = ", ".join(member.name for member in members)
                    problems.add(path, f"Member must have exactly one of [{listed}]")
                    return None
            return read_members(members, value, f"{path}.", problems)

        return read

    def _list(self, shape: ListShape, *, sensitive: bool) -> Reader:
        read_item = self.made(shape.member, sensitive=sensitive)
        measure = _measure(shape)

        def read(value: Json, path: str, problems: Problems) -> Any:
            if not isinstance(value, list):
                problems.add(path, "Member must be a list")
                return None
            if not measure(len(value), path, problems):
                return None
            return [
                _read_inner(read_item, item, f"{path}.{number}.member", problems)
                for number, item in enumerate(value, 1)
            ]

        return read

    def _map(self, shape: MapShape, *, sensitive: bool) -> Reader:
        read_key = self.made(shape.key, sensitive=False)
        read_value = self.made(shape.value, sensitive=sensitive)
        measure = _measure(shape)

        def read(value: Json, path: str, problems: Problems) -> Any:
            if not isinstance(value, dict):
                problems.add(path, "Member must be a map")
                return None
            if not measure(len(value), path, problems):
                return None
            entries = {}
            for key, item in value.items():
                # A key that breaks the rules may be anything, and stays out of the answer.
                bad_key = Problems()
                read_key(key, path, bad_key)
                for _, constraint in bad_key.found:
                    problems.add(path, f"Map keys must satisfy constraint: [{constraint}]")
                if not bad_key.found:
                    entries[key] = _read_inner(read_value, item, f"{path}.{key}.member", problems)
            return entries

        return read


def _read_inner(reader: Reader, value: Json, path: str, problems: Problems) -> Any:
    if value is None:
        problems.add(path, "Member must not be null")
        return None
    return reader(value, path, problems)


def _measure(shape: Shape, *, of: str = "length") -> Callable[[int, str, Problems], bool]:
    """Return what checks a length or a value against the model's limits."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")

    def within(size: int, path: str, problems: Problems) -> bool:
        if low is not None and size < low:
            problems.add(path, f"Member must have {of} greater than or equal to {low}")
            return False
        if high is not None and size > high:
            problems.add(path, f"Member must have {of} less than or equal to {high}")
            return False
        return True

    return within


def _string(shape: StringShape, *, sensitive: bool) -> Reader:
    measure = _measure(shape)
    pattern, allowed = shape.metadata.get("pattern"), shape.enum
    matches = matcher(pattern, max_chars=shape.metadata.get("max")) if pattern else None

    def read(value: Json, path: str, problems: Problems) -> Any:
        if not isinstance(value, str):
            problems.add(path, "Member must be a string")
        elif not _is_text(value):
            problems.add(path, "Member must be Unicode text without null characters")
        elif not measure(len(value), path, problems):
            pass
        elif matches and not matches(value):
            problems.add(path, f"Member must satisfy regular expression pattern: {pattern}")
        elif allowed and value not in allowed:
            problems.add(path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
        else:
            return Secret(value) if sensitive else value
        return None

    return read


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _integer(shape: Shape) -> Reader:
    limit = INTEGERS[shape.type_name]
    within = _measure(shape, of="value")

    def read(value: Json, path: str, problems: Problems) -> Any:
        if not isinstance(value, int) or isinstance(value, bool) or not -limit <= value < limit:
            problems.add(path, f"Member must be a number of type {shape.type_name}")
            return None
        return value if within(value, path, problems) else None

    return read


def _boolean(_shape: Shape) -> Reader:
    def read(value: Json, path: str, problems: Problems) -> Any:
        if not isinstance(value, bool):
            problems.add(path, "Member must be true or false")
            return None
        return value

    return read


def _timestamp(_shape: Shape) -> Reader:
    """Read a number as seconds since 1970, a string as ISO 8601, whatever the model prefers."""

    def read(value: Json, path: str, problems: Problems) -> Any:
        try:
            if isinstance(value, str):
                moment = datetime.fromisoformat(value)
                if moment.tzinfo:
                    return moment.astimezone(UTC)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            pass
        problems.add(path, "Member must be a timestamp")
        return None

    return read


def _blob(shape: Shape) -> Reader:
    measure = _measure(shape)

    def read(value: Json, path: str, problems: Problems) -> Any:
        try:
            decoded = b64decode(value, validate=True)
        except (TypeError, ValueError):
            problems.add(path, "Member must be base64")
            return None
        return decoded if measure(len(decoded), path, problems) else None

    return read


_SCALARS = {"boolean": _boolean, "timestamp": _timestamp, "blob": _blob}
