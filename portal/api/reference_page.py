"""The OpenAPI document laid out for a page: what is asked, with what, and what comes back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

_SECTIONS: dict[str, StrOrPromise] = {
    "grants": _("Grants"),
    "sessions": _("Runtime sessions"),
    "oauth2": _("Token endpoint"),
    "chat": _("Chat"),
}


@dataclass(frozen=True, slots=True)
class Type:
    """What a value is; `schema` is the name of the one that says more, if one does."""

    text: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a member of an object."""

    name: str
    type: Type
    is_required: bool
    description: str
    values: list[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back."""

    status: str
    description: str
    type: Type | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One call."""

    id: str
    method: str
    path: str
    description: str
    guards: list[str]
    parameters: list[Field]
    body: Type | None
    answers: list[Answer]


@dataclass(frozen=True, slots=True)
class Section:
    """Calls that belong together."""

    id: str
    title: StrOrPromise
    operations: list[Operation]


@dataclass(frozen=True, slots=True)
class Schema:
    """An object, by its members, or a word out of a list."""

    name: str
    description: str
    fields: list[Field]
    values: list[str]


def sections(document: dict[str, Any]) -> list[Section]:
    """Return the calls in the order in which they are read."""
    found: dict[str, list[Operation]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(_operation(method.upper(), path, operation))
    return [Section(tag, title, found[tag]) for tag, title in _SECTIONS.items()]


def schemas(document: dict[str, Any]) -> list[Schema]:
    """Return the objects that calls take and answer with, by name."""
    return [
        Schema(
            name,
            schema.get("description", ""),
            [
                _field(member, of, member in schema.get("required", ()))
                for member, of in schema.get("properties", {}).items()
            ],
            [str(value) for value in schema.get("enum", ())],
        )
        for name, schema in sorted(document["components"]["schemas"].items())
    ]


def _operation(method: str, path: str, said: dict[str, Any]) -> Operation:
    parameters = [
        _field(each["name"], each["schema"], each.get("required", False), each.get("description"))
        for each in said.get("parameters", ())
    ]
    return Operation(
        id=said["operationId"],
        method=method,
        path=path,
        description=said.get("description", ""),
        guards=[name for each in said["security"] for name in each],
        parameters=parameters,
        body=_content(said.get("requestBody", {})),
        answers=[
            Answer(status, answer.get("description", ""), _content(answer))
            for status, answer in said["responses"].items()
        ],
    )


def _content(holder: dict[str, Any]) -> Type | None:
    for content in holder.get("content", {}).values():
        return _type(content["schema"])
    return None


def _field(
    name: str, schema: dict[str, Any], is_required: bool, description: str | None = None
) -> Field:
    said = description or schema.get("description", "")
    values = [str(value) for value in schema.get("enum", ())]
    # The generator lists the values in the description, too.
    return Field(name, _type(schema), is_required, said.partition("\n\n*")[0], values)


def _type(schema: dict[str, Any]) -> Type:
    for part in (schema, *schema.get("allOf", ())):
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            return Type(name, name)
    if schema.get("type") == "array":
        of = _type(schema["items"])
        return Type(f"{of.text}[]", of.schema)
    return Type(schema.get("format") or schema.get("type", "object"))
