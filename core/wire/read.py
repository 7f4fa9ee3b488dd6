"""The input of an operation, read from a request and held against every rule of its model.

`InputReader` compiles an operation once; reading is then a walk over closures. What comes out is a
dict by member names, in which times are aware datetimes, blobs are bytes, and every string that
the model calls sensitive is a `Secret`.

Rules and words are those of AWS. Beyond them, a string holds no null character and no half of a
surrogate pair, which no database column would take, and JSON names no member twice.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

from core.errors import FieldError, InvalidRequest
from core.secret import Secret
from core.wire.patterns import matcher

MAX_FIELD_ERRORS = 20

Json = Any
Reader = Callable[[Json, str, "Problems"], Any]

_INTEGERS = {"integer": 2**31, "long": 2**63}


class UnsupportedShape(ValueError):
    """The model uses something that this mechanism does not speak, such as an event stream."""


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


class _Member(NamedTuple):
    name: str
    sent_as: str
    reader: Reader
    required: bool


class InputReader:
    """Reads the input of one operation.

    Raises:
        UnsupportedShape: the operation's input has an event stream, a payload or a number with
            a fraction.
        PatternRefused: a pattern in it cannot be matched safely.
    """

    def __init__(self, model: OperationModel) -> None:
        self._body: list[_Member] = []
        self._located: list[tuple[str, str, _Member]] = []  # where, type
        shape = model.input_shape
        if shape is None:
            return
        if "payload" in shape.serialization:
            raise UnsupportedShape(f"{model.name} has a payload of its own")
        compiler = _Compiler()
        for name, member_shape in shape.members.items():
            where = member_shape.serialization.get("location")
            member = compiler.member(name, member_shape, required=name in shape.required_members)
            if where is None:
                self._body.append(member)
            elif where in {"uri", "querystring", "header"}:
                self._located.append((where, _text_type(member_shape), member))
            else:
                raise UnsupportedShape(f"{model.name}.{name} is sent in {where}")

    def read(
        self,
        *,
        labels: Mapping[str, str],
        query: list[tuple[bytes, bytes]],
        headers: Mapping[str, str],
        body: bytes,
    ) -> dict[str, Any]:
        """Return the input.

        Raises:
            InvalidRequest: with reason CannotParse, or with the fields that break a rule.
        """
        problems = Problems()
        sent: dict[str, Json] = _json_object(body) if self._body else {}
        values = _read_members(self._body, sent, "", problems)
        located: dict[str, Json] = {}
        for where, kind, member in self._located:
            if where == "uri":
                given = [labels[member.sent_as]]
            elif where == "header":
                value = headers.get(member.sent_as.lower())
                given = [] if value is None else [value]
            else:
                given = [_utf8(v) for n, v in query if n == member.sent_as.encode()]
            located[member.sent_as] = _from_text(kind, given, member.name, problems)
        values |= _read_members([member for *_, member in self._located], located, "", problems)
        problems.refuse()
        return values


def _json_object(body: bytes) -> dict[str, Json]:
    if not body:
        return {}
    try:
        parsed = json.loads(
            body.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        # Not `from`: the cause holds the body.
        raise InvalidRequest("The body is not valid JSON.", reason="CannotParse") from None
    if not isinstance(parsed, dict):
        raise InvalidRequest("The body is not a JSON object.", reason="CannotParse")
    return parsed


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The query is not UTF-8.", reason="CannotParse") from None


def _text_type(shape: Shape) -> str:
    """Return how a member outside the body is written, refusing what no operation here has."""
    kind = f"{shape.type_name} of {shape.member.type_name}" if isinstance(shape, ListShape) else (
        shape.type_name
    )
    if kind not in {"string", "integer", "long", "boolean", "list of string"}:
        raise UnsupportedShape(f"a {kind} outside the body")
    return kind


def _from_text(kind: str, given: list[str], name: str, problems: Problems) -> Json:
    """Return a member outside the body as it would stand in JSON; None if it is not there."""
    if kind == "list of string":
        return given or None
    if len(given) > 1:
        problems.add(name, "Member must be given once")
    if len(given) != 1:
        return None
    text = given[0]
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind in _INTEGERS and re.fullmatch(r"-?[0-9]{1,19}", text):
        return int(text)
    return text


def _read_members(
    members: list[_Member], sent: Mapping[str, Json], path: str, problems: Problems
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


class _Compiler:
    """Makes a reader of each shape, once; shapes may contain themselves."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool], Reader] = {}

    def member(self, name: str, shape: Shape, *, required: bool, sensitive: bool = False) -> _Member:
        sent_as = shape.serialization.get("name", name)
        return _Member(name, sent_as, self.reader(shape, sensitive=sensitive), required)

    def reader(self, shape: Shape, *, sensitive: bool) -> Reader:
        """Return the reader of a shape; what is inside a sensitive shape is sensitive."""
        sensitive = sensitive or bool(shape.metadata.get("sensitive"))
        key = (shape.name, sensitive)
        if key not in self._made:
            # Until it is made, whoever contains itself finds this.
            self._made[key] = lambda value, path, problems: self._made[key](value, path, problems)
            self._made[key] = self._make(shape, sensitive=sensitive)
        return self._made[key]

    def _make(self, shape: Shape, *, sensitive: bool) -> Reader:
        if shape.metadata.get("document") or shape.serialization.get("eventstream"):
            raise UnsupportedShape(f"{shape.name} is a document or an event stream")
        if isinstance(shape, StructureShape):
            return self._structure(shape, sensitive=sensitive)
        if isinstance(shape, ListShape):
            return self._list(shape, sensitive=sensitive)
        if isinstance(shape, MapShape):
            return self._map(shape, sensitive=sensitive)
        if isinstance(shape, StringShape):
            return _string(shape, sensitive=sensitive)
        if shape.type_name in _INTEGERS:
            return _integer(shape)
        if shape.type_name in _SCALARS:
            return _SCALARS[shape.type_name](shape)
        raise UnsupportedShape(f"{shape.name} is a {shape.type_name}")

    def _structure(self, shape: StructureShape, *, sensitive: bool) -> Reader:
        members = [
            self.member(
                name, inner, required=name in shape.required_members, sensitive=sensitive
            )
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
            return _read_members(members, value, f"{path}.", problems)

        return read

    def _list(self, shape: ListShape, *, sensitive: bool) -> Reader:
        read_item = self.reader(shape.member, sensitive=sensitive)
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
        read_key = self.reader(shape.key, sensitive=False)
        read_value = self.reader(shape.value, sensitive=sensitive)
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


def _measure(
    shape: Shape, *, of: str = "length ", unit: str = ""
) -> Callable[[int, str, Problems], bool]:
    """Return what checks a length or a value against the model's limits."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")

    def within(size: int, path: str, problems: Problems) -> bool:
        if low is not None and size < low:
            problems.add(path, f"Member must have {of}greater than or equal to {low}{unit}")
            return False
        if high is not None and size > high:
            problems.add(path, f"Member must have {of}less than or equal to {high}{unit}")
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
    limit = _INTEGERS[shape.type_name]
    within = _measure(shape, of="value ")

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
                return datetime.fromisoformat(value).astimezone(UTC)
            if isinstance(value, int | float) and not isinstance(value, bool):
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
