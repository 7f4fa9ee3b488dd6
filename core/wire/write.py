"""The output of an operation, written as its model says.

A handler that returns what the model does not know has a bug, and a client must not be the one to
find it: everything that does not fit raises `OutputMismatch`.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

from core.secret import Secret
from core.wire.constraints import Json
from core.wire.shapes import Compiler, UnsupportedShape

Writer = Callable[[Any, str], Json]

_KINDS: Mapping[str, type] = {"integer": int, "long": int, "boolean": bool, "blob": bytes}


class OutputMismatch(TypeError):
    """A handler's output does not fit the model; names the member, never its value."""


class Written(NamedTuple):
    """What an output becomes: the members of the body, the headers, and a status of its own."""

    body: dict[str, Json]
    headers: dict[str, str]
    status: int


class OutputWriter:
    """Writes the output of one operation; dates, names and status are those of the model.

    Raises:
        UnsupportedShape: the operation's output has an event stream, a payload or a number with
            a fraction.
    """

    def __init__(self, model: OperationModel) -> None:
        self._status: int = model.http["responseCode"]
        shape = model.output_shape or StructureShape(model.name, {"type": "structure"})
        if "payload" in shape.serialization:
            raise UnsupportedShape(f"{model.name} answers with a payload of its own")
        self._write = _WriterCompiler().made(shape, sensitive=False)
        self._headers: list[str] = []
        self._status_member = ""
        for name, member in shape.members.items():
            where = member.serialization.get("location")
            sent_as = member.serialization.get("name", name)
            if where == "statusCode":
                self._status_member = sent_as
            elif where == "header" and isinstance(member, StringShape):
                self._headers.append(sent_as)
            elif where is not None:
                raise UnsupportedShape(f"{model.name} answers with {name} in {where}")

    def write(self, output: Mapping[str, Any]) -> Written:
        """Return the parts of the response.

        Raises:
            OutputMismatch: the output is not what the model says.
        """
        body = self._write(output, "output")
        headers = {name: body.pop(name) for name in self._headers if name in body}
        status = body.pop(self._status_member, self._status)
        return Written(body, headers, status)


class _WriterCompiler(Compiler[Writer]):
    """Makes a writer of each shape."""

    def _scalar(self, shape: Shape, *, sensitive: bool) -> Writer | None:
        if isinstance(shape, StringShape):
            return _string(sensitive=sensitive)
        if shape.type_name == "timestamp":
            return _timestamp(shape)
        kind = _KINDS.get(shape.type_name)
        return _kind(kind) if kind else None

    def _structure(self, shape: StructureShape, *, sensitive: bool) -> Writer:
        members = {
            name: (
                member.serialization.get("name", name),
                self.made(member, sensitive=sensitive),
            )
            for name, member in shape.members.items()
        }
        required = set(shape.required_members)
        is_union = shape.is_tagged_union

        def write(value: Any, path: str) -> Json:
            _expect(isinstance(value, Mapping), path)
            present = {name: inner for name, inner in value.items() if inner is not None}
            for name in (present.keys() - members.keys()) | (required - present.keys()):
                raise OutputMismatch(f"{path}.{name} is unknown to the model, or missing")
            _expect(not is_union or len(present) == 1, path)
            written = {}
            for name, inner in present.items():
                sent_as, write_inner = members[name]
                written[sent_as] = write_inner(inner, f"{path}.{name}")
            return written

        return write

    def _list(self, shape: ListShape, *, sensitive: bool) -> Writer:
        write_item = self.made(shape.member, sensitive=sensitive)

        def write(value: Any, path: str) -> Json:
            _expect(isinstance(value, list | tuple), path)
            return [write_item(item, path) for item in value]

        return write

    def _map(self, shape: MapShape, *, sensitive: bool) -> Writer:
        write_value = self.made(shape.value, sensitive=sensitive)

        def write(value: Any, path: str) -> Json:
            _expect(isinstance(value, Mapping) and all(isinstance(k, str) for k in value), path)
            return {key: write_value(item, path) for key, item in value.items()}

        return write


def _string(*, sensitive: bool) -> Writer:
    """Write a string; a Secret is revealed only where the model says that it is sensitive."""

    def write(value: Any, path: str) -> Json:
        if sensitive and isinstance(value, Secret):
            return value.reveal()
        _expect(isinstance(value, str), path)
        return value

    return write


def _kind(kind: type) -> Writer:
    def write(value: Any, path: str) -> Json:
        _expect(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), path)
        return b64encode(value).decode() if kind is bytes else value

    return write


def _timestamp(shape: Shape) -> Writer:
    """Write seconds since 1970, or ISO 8601 where the model says so.

    The JavaScript SDK fails on the one where it expects the other.
    """
    is_iso = shape.serialization.get("timestampFormat") == "iso8601"

    def write(value: Any, path: str) -> Json:
        _expect(isinstance(value, datetime) and value.tzinfo is not None, path)
        if is_iso:
            text: str = value.astimezone(UTC).isoformat(timespec="milliseconds")
            return text.replace("+00:00", "Z")
        return round(value.timestamp(), 3)

    return write


def _expect(fits: bool, path: str) -> None:
    if not fits:
        raise OutputMismatch(f"{path} is not what the model says")
