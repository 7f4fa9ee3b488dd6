"""The input of an operation, read from a request and held against every rule of its model."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.model import ListShape, OperationModel, Shape

from core.errors import InvalidRequest
from core.wire.constraints import (
    INTEGERS,
    Json,
    Member,
    Problems,
    ReaderCompiler,
    read_members,
)
from core.wire.shapes import UnsupportedShape


class InputReader:
    """Reads the input of one operation.

    Raises:
        UnsupportedShape: the operation's input has an event stream, a payload or a number with
            a fraction.
        PatternRefused: a pattern in it cannot be matched safely.
    """

    def __init__(self, model: OperationModel) -> None:
        self._body: list[Member] = []
        self._located: list[tuple[str, str, Member]] = []  # where, type
        shape = model.input_shape
        if shape is None:
            return
        if "payload" in shape.serialization:
            raise UnsupportedShape(f"{model.name} has a payload of its own")
        compiler = ReaderCompiler()
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
        query: Sequence[tuple[bytes, bytes]],
        headers: Mapping[str, str],
        body: bytes,
    ) -> dict[str, Any]:
        """Return the input.

        Raises:
            InvalidRequest: with reason CannotParse, or with the fields that break a rule.
        """
        problems = Problems()
        sent: dict[str, Json] = _json_object(body) if self._body else {}
        values = read_members(self._body, sent, "", problems)
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
        values |= read_members([member for *_, member in self._located], located, "", problems)
        problems.refuse()
        return values


def _json_object(body: bytes) -> dict[str, Json]:
    if not body:
        return {}
    try:
        parsed = _JSON.decode(body.decode())
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


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The query is not UTF-8.", reason="CannotParse") from None


def _text_type(shape: Shape) -> str:
    """Return how a member outside the body is written, refusing what no operation here has."""
    kind = (
        f"{shape.type_name} of {shape.member.type_name}"
        if isinstance(shape, ListShape)
        else (shape.type_name)
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
    if kind in INTEGERS and re.fullmatch(r"-?[0-9]{1,19}", text):
        return int(text)
    return text
