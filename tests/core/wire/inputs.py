"""Inputs made from botocore's models: valid ones, and one for every rule that can be broken.

valid(model)     an input with every member
smallest(model)  an input with the required members
breaking(model)  inputs that are valid but for one rule, each with the field that breaks it
to_http(model, sent)  any input, however wrong, as it goes over the wire
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from re import _constants as op  # type: ignore[attr-defined]  # as hypothesis does
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple
from urllib.parse import quote

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

TEXT_LOCATIONS = {"uri", "querystring", "header"}
IN_JSON_ONLY = {"a string", "a list", "not null"}


class Breaking(NamedTuple):
    """An input that breaks one rule."""

    rule: str
    field: str
    sent: Any


class HttpRequest(NamedTuple):
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


def valid(model: OperationModel) -> dict[str, Any]:
    return _top(model, _value)


def smallest(model: OperationModel) -> dict[str, Any]:
    return _top(model, _smallest)


def output(model: OperationModel) -> dict[str, Any]:
    made: dict[str, Any] = _output(model.output_shape) if model.output_shape else {}
    return made


def breaking(model: OperationModel) -> list[Breaking]:
    shape = model.input_shape
    if shape is None:
        return []
    return [
        broken._replace(field=broken.field.removeprefix("."))
        for broken in _broken_structure(shape, "", at_top=True)
    ]


def to_http(model: OperationModel, sent: dict[str, Any]) -> HttpRequest:
    """Return the request. Nothing is checked: what is wrong in `sent` is wrong on the wire."""
    target, query, headers, body = model.http["requestUri"], [], [], {}
    members = model.input_shape.members if model.input_shape else {}
    for name, value in sent.items():
        serialization = members[name].serialization
        where, sent_as = serialization.get("location"), serialization.get("name", name)
        if where == "uri":
            target = target.replace(f"{{{sent_as}}}", quote(_text(value), safe=""))
        elif where == "querystring":
            values = value if isinstance(value, list) else [value]
            query += [f"{sent_as}={quote(_text(item), safe='')}" for item in values]
        elif where == "header":
            headers.append((sent_as, _text(value)))
        else:
            body[sent_as] = _as_sent(members[name], value)
    has_body = any("location" not in member.serialization for member in members.values())
    return HttpRequest(
        model.http["method"],
        f"{target}?{'&'.join(query)}" if query else target,
        headers,
        json.dumps(body).encode() if has_body else b"",
    )


def _as_sent(shape: Shape, value: Any) -> Any:
    """Return the value with the names that its members have on the wire, as far as it fits."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        known = {name: shape.members[name] for name in value if name in shape.members}
        return {
            known[name].serialization.get("name", name) if name in known else name: (
                _as_sent(known[name], inner) if name in known else inner
            )
            for name, inner in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_as_sent(shape.member, item) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _as_sent(shape.value, item) for key, item in value.items()}
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _top(model: OperationModel, make: Any) -> dict[str, Any]:
    made: dict[str, Any] = make(model.input_shape) if model.input_shape else {}
    return made


# --- values that hold ----------------------------------------------------------------------------


def _value(shape: Shape) -> Any:
    """Return a value with every member; of a union, with its first."""
    if isinstance(shape, StructureShape):
        names = list(shape.members)
        wanted = names[:1] if shape.is_tagged_union else names
        return {name: _value(shape.members[name]) for name in wanted}
    return _leaf(shape, _value)


def _smallest(shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        wanted = list(shape.members)[:1] if shape.is_tagged_union else shape.required_members
        return {name: _smallest(shape.members[name]) for name in wanted}
    return _leaf(shape, _smallest)


def _output(shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        names = list(shape.members)
        wanted = names[:1] if shape.is_tagged_union else names
        return {name: _output(shape.members[name]) for name in wanted}
    if shape.type_name == "timestamp":
        return datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    return _leaf(shape, _output)


def _leaf(shape: Shape, inner: Any) -> Any:
    low = shape.metadata.get("min", 0)
    if isinstance(shape, ListShape):
        return [inner(shape.member)] * max(low, 1)
    if isinstance(shape, MapShape):
        assert low <= 1, f"{shape.name} wants several different keys"
        return {_value(shape.key): inner(shape.value)}
    if isinstance(shape, StringShape):
        return _string(shape)
    simple = {"boolean": True, "timestamp": 1_790_000_000, "blob": "AAEC"}
    return simple.get(shape.type_name, max(low, 1))


def _string(shape: StringShape) -> str:
    if shape.enum:
        return str(shape.enum[0])
    low: int = shape.metadata.get("min", 0)
    high: int = shape.metadata.get("max", 10_000)
    pattern = shape.metadata.get("pattern")
    if pattern is None:
        return "a" * max(low, 1)
    for repeat in range(1, max(low, 1) + 1):
        text = "".join(_sample(_parser.parse(pattern), repeat))
        if low <= len(text) <= high and re.fullmatch(pattern, text, re.ASCII):
            return text
    raise AssertionError(f"no sample of {pattern!r} with {low} to {high} characters")


def _sample(parsed: Any, repeat: int) -> Iterator[str]:
    """Yield the parts of a text that matches, in which what may repeat does so `repeat` times."""
    for kind, argument in parsed:
        if kind is op.LITERAL:
            yield chr(argument)
        elif kind is op.IN:
            yield _member_of(argument)
        elif kind is op.ANY:
            yield "."
        elif kind is op.NOT_LITERAL:
            yield "b" if argument == ord("a") else "a"
        elif kind is op.MAX_REPEAT:
            low, high, inner = argument
            for _ in range(min(max(low, repeat), high)):
                yield from _sample(inner, 1)
        elif kind is op.SUBPATTERN:
            yield from _sample(argument[-1], repeat)
        elif kind is op.BRANCH:
            yield from _sample(argument[1][0], repeat)
        else:
            assert kind in {op.AT, op.ASSERT_NOT}, kind


def _member_of(items: list[tuple[Any, Any]]) -> str:
    kind, argument = items[0]
    if kind is op.NEGATE:
        return "a"
    if kind is op.CATEGORY:
        return "0" if argument is op.CATEGORY_DIGIT else "a"
    return chr(argument[0] if kind is op.RANGE else argument)


# --- values that do not --------------------------------------------------------------------------


def _broken(shape: Shape, field: str) -> Iterator[Breaking]:
    if isinstance(shape, StructureShape):
        yield Breaking("an object", field, [])
        yield from _broken_structure(shape, field)
    elif isinstance(shape, ListShape):
        yield from _broken_list(shape, field)
    elif isinstance(shape, MapShape):
        yield from _broken_map(shape, field)
    elif isinstance(shape, StringShape):
        yield Breaking("a string", field, 1)
        yield from _broken_string(shape, field)
    else:
        yield Breaking(f"a {shape.type_name}", field, "no number" if field else [])
        yield from _broken_size(shape, field, lambda size: size)


def _broken_structure(
    shape: StructureShape, field: str, *, at_top: bool = False
) -> Iterator[Breaking]:
    whole = _value(shape)
    if shape.is_tagged_union:
        yield Breaking("one member", field, {})
        yield Breaking("a known member", field, {"noSuchMember": "a"})
        if len(shape.members) > 1:
            both = {name: _value(member) for name, member in list(shape.members.items())[:2]}
            yield Breaking("only one member", field, both)
        whole = {}
    for name in shape.required_members:
        is_label = shape.members[name].serialization.get("location") == "uri"
        if not is_label:  # a path without one is another path
            rest = {key: value for key, value in whole.items() if key != name}
            yield Breaking("required", f"{field}.{name}", rest)
    for name, member in shape.members.items():
        in_text = at_top and member.serialization.get("location") in TEXT_LOCATIONS
        for broken in _broken(member, f"{field}.{name}"):
            if in_text and (broken.rule in IN_JSON_ONLY or broken.sent in ("", [])):
                continue  # in text everything is a string, and nothing is not there
            yield broken._replace(sent={**whole, name: broken.sent})


def _broken_list(shape: ListShape, field: str) -> Iterator[Breaking]:
    yield Breaking("a list", field, "a")
    item = _value(shape.member)
    rest = [item] * (shape.metadata.get("min", 1) - 1)
    yield Breaking("not null", f"{field}.1.member", [None, *rest])
    yield from _broken_size(shape, field, lambda size: [item] * size)
    for broken in _broken(shape.member, f"{field}.1.member"):
        yield broken._replace(sent=[broken.sent, *rest])


def _broken_map(shape: MapShape, field: str) -> Iterator[Breaking]:
    yield Breaking("a map", field, [])
    key, value = _value(shape.key), _value(shape.value)
    yield Breaking("not null", f"{field}.{key}.member", {key: None})
    high = shape.metadata.get("max")
    if high is not None:
        yield Breaking("few enough", field, {f"{key}{n}": value for n in range(high + 1)})
    for broken in _broken_string(shape.key, field):
        yield broken._replace(rule=f"key: {broken.rule}", sent={broken.sent: value})
    for broken in _broken(shape.value, f"{field}.{key}.member"):
        yield broken._replace(sent={key: broken.sent})


def _broken_string(shape: Shape, field: str) -> Iterator[Breaking]:
    assert isinstance(shape, StringShape)
    yield from _broken_size(shape, field, lambda size: "a" * size)
    yield Breaking("no null character", field, "\0" * max(shape.metadata.get("min", 1), 1))
    if shape.enum:
        yield Breaking("enum", field, "no-such-value")
    pattern = shape.metadata.get("pattern")
    if pattern:
        good = _string(shape)
        for odd in " \n\u00e9/:!":
            text = odd + good[1:]
            if not re.fullmatch(pattern, text, re.ASCII):
                yield Breaking("pattern", field, text)
                break


def _broken_size(shape: Shape, field: str, make: Any) -> Iterator[Breaking]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low:
        yield Breaking(f"at least {low}", field, make(low - 1))
    if high is not None:
        yield Breaking(f"at most {high}", field, make(high + 1))
