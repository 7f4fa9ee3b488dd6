"""An answer, as it came over the wire, held against the shape that the model says it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from core.wire.patterns import CONTAINER_URI

_KINDS = {
    **{"structure": dict, "map": dict, "list": list, "string": str, "blob": str},
    **{"boolean": bool, "integer": int, "long": int},
}


def unlike(shape: Shape | None, body: Any) -> list[str]:
    """Return what is wrong with a body; nothing, if it is what the model says."""
    if shape is None:
        return [] if body == {} else ["a body where there is none"]
    return list(_wrong(shape, body, "body"))


def _wrong(shape: Shape, value: Any, at: str) -> Iterator[str]:
    kind = _kind_of(shape)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        yield f"{at} is a {type(value).__name__}"
    elif isinstance(shape, StructureShape):
        yield from _wrong_structure(shape, value, at)
    elif isinstance(shape, ListShape):
        yield from _wrong_size(shape, len(value), at)
        for item in value:
            yield from _wrong(shape.member, item, f"{at}[]")
    elif isinstance(shape, MapShape):
        yield from _wrong_size(shape, len(value), at)
        for key, item in value.items():
            yield from _wrong(shape.key, key, f"{at} (a key)")
            yield from _wrong(shape.value, item, f"{at}.{key}")
    elif isinstance(shape, StringShape):
        yield from _wrong_string(shape, value, at)
    elif shape.type_name in {"integer", "long"}:
        yield from _wrong_size(shape, value, at)
    elif (
        kind is str and shape.type_name == "timestamp" and not datetime.fromisoformat(value).tzinfo
    ):
        yield f"{at} has no time zone"


def _kind_of(shape: Shape) -> Any:
    """Return the type that JSON has for a shape. Of the two ways to write a time, the JavaScript
    SDK fails on the other."""
    if shape.type_name == "timestamp":
        is_iso = shape.serialization.get("timestampFormat") == "iso8601"
        return str if is_iso else (int, float)
    return _KINDS[shape.type_name]


def _wrong_structure(shape: StructureShape, value: Any, at: str) -> Iterator[str]:
    members = {
        member.serialization.get("name", name): member for name, member in shape.members.items()
    }
    for name in shape.required_members:
        if shape.members[name].serialization.get("name", name) not in value:
            yield f"{at}.{name} is missing"
    if shape.is_tagged_union and len(value) != 1:
        yield f"{at} has {len(value)} members of a union"
    for name, inner in value.items():
        if name in members:
            yield from _wrong(members[name], inner, f"{at}.{name}")
        else:
            yield f"{at}.{name} is unknown to the model"


def _wrong_size(shape: Shape, size: int, at: str) -> list[str]:
    low, high = shape.metadata.get("min", size), shape.metadata.get("max", size)
    return [] if low <= size <= high else [f"{at} has {size}, and not {low} to {high}"]


def _wrong_string(shape: StringShape, value: str, at: str) -> Iterator[str]:
    yield from _wrong_size(shape, len(value), at)
    if shape.enum and value not in shape.enum:
        yield f"{at} is no value of its enum"
    pattern = shape.metadata.get("pattern")
    if pattern == CONTAINER_URI:  # a URL here, as `core/wire/patterns.py` says
        pattern = r"https?://[^\s]+"
    if pattern and not re.fullmatch(pattern, value, re.ASCII):
        yield f"{at} does not match {pattern}"
