"""The form in which a person answers an agent: what a JSON Schema asks for, if it is simple.

Only what a small form can hold is understood: a yes or no, a text, a number, a choice, or an object
of those. Nothing of the schema becomes the name of anything on the page: fields have numbers.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from portal.errors import ApprovalRefused
from portal.readable import readable

MAX_SCHEMA_CHARS = 8_000
MAX_FIELDS = 12
MAX_TEXT_CHARS = 4_000
_MAX_OPTIONS = 50
# Beyond it programs do not agree on what a number is (RFC 8259 section 6).
_MOST_WHOLE = 2**53 - 1
_MAX_WORDS_CHARS = 120
# The member of an object that says yes or no to all of it, as AG-UI recommends.
_DECISION = "approved"
# Schemas that say more than a form can: what they mean is not guessed.
_BEYOND = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "if", "const"})
_KINDS = {"boolean": "yes_no", "string": "text", "number": "number", "integer": "whole"}


class NotAForm(ValueError):
    """The schema asks for more than a form can hold."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked for. `name` is its member's; the empty string: it is the whole."""

    name: str
    kind: str  # yes_no, text, number, whole, choice
    label: str
    required: bool
    options: tuple[Any, ...] = ()
    least: float | None = None
    most: float | None = None

    def shape(self) -> dict[str, Any]:
        """Return the field as the page needs it."""
        return {
            "kind": self.kind,
            "label": self.label,
            "required": self.required,
            "options": [_words(option) for option in self.options],
        }


@dataclass(frozen=True, slots=True)
class Form:
    """What is asked. `decides`: the person says yes or no; then the fields go with a yes.

    `bare`: the answer is the decision itself, and no object.
    """

    decides: bool
    bare: bool = False
    fields: tuple[Field, ...] = ()

    def resume(self, *, approve: bool, values: list[str]) -> dict[str, Any] | None:
        """Return what the agent is told, as {"payload": …}; None: the person said no and no more.

        Raises:
            ApprovalRefused: a value is missing, or none that was asked for.
        """
        if not approve:
            whole = not any(field.required for field in self.fields)
            if not (self.decides and whole):
                return None
            return {"payload": False if self.bare else {_DECISION: False}}
        given = self._given(values)
        if self.decides:
            return {"payload": True if self.bare else {_DECISION: True, **given}}
        return {"payload": given.get("") if self.bare else given}

    def answers(self, values: list[str]) -> tuple[dict[str, str], ...]:
        """Return what the person filled in, in words."""
        told = zip(self.fields, values, strict=False)
        return tuple(
            {"label": field.label, "words": words}
            for field, value in told
            if (words := _in_words(field, value))
        )

    def _given(self, values: list[str]) -> dict[str, Any]:
        if len(values) != len(self.fields):
            raise ApprovalRefused
        given = {}
        for field, value in zip(self.fields, values, strict=True):
            if value == "" and field.kind != "yes_no":
                if field.required:
                    raise ApprovalRefused(_("Fill in “%(field)s”.") % {"field": field.label})
                continue
            given[field.name] = _read(field, value)
        return given


def form_for(schema: dict[str, Any] | None) -> Form:
    """Return the form for a schema; without one, for a yes or no. Raises NotAForm."""
    if schema is None:
        return Form(decides=True)
    try:
        size = len(json.dumps(schema))
    except (ValueError, RecursionError):
        raise NotAForm from None
    if size > MAX_SCHEMA_CHARS or _BEYOND & schema.keys():
        raise NotAForm
    properties = schema.get("properties", {})
    if schema.get("type", "object" if properties or not schema else None) == "object":
        return _form_of(properties, schema.get("required", []))
    field = _field("", schema, required=True)
    if field.kind == "yes_no":
        return Form(decides=True, bare=True)
    return Form(decides=False, bare=True, fields=(field,))


def _form_of(properties: Any, required: Any) -> Form:
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise NotAForm
    if not all(isinstance(name, str) and name in properties for name in required):
        raise NotAForm
    fields = []
    decides = not properties
    for name, schema in properties.items():
        if name == _DECISION and isinstance(schema, dict) and schema.get("type") == "boolean":
            decides = True
            continue
        try:
            fields.append(_field(name, schema, required=name in required))
        except NotAForm:
            # What may be left out is.
            if name in required:
                raise
    if len(fields) > MAX_FIELDS or not (fields or decides):
        raise NotAForm
    return Form(decides=decides, fields=tuple(fields))


def _field(name: str, schema: Any, *, required: bool) -> Field:
    if not isinstance(schema, dict) or _BEYOND & schema.keys():
        raise NotAForm
    title = schema.get("title")
    label = readable(title if isinstance(title, str) else name)[:_MAX_WORDS_CHARS] or _("Answer")
    if "enum" in schema:
        options = schema["enum"]
        known = isinstance(options, list) and 0 < len(options) <= _MAX_OPTIONS
        if not known or not all(isinstance(one, str | int | float) for one in options):
            raise NotAForm
        return Field(name, "choice", label, required, options=tuple(options))
    kind = _KINDS.get(str(schema.get("type")))
    if kind is None:
        raise NotAForm
    ends = ("minLength", "maxLength") if kind == "text" else ("minimum", "maximum")
    return Field(
        name, kind, label, required, (), _number(schema, ends[0]), _number(schema, ends[1])
    )


def _number(schema: dict[str, Any], name: str) -> float | None:
    value = schema.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _read(field: Field, value: str) -> Any:
    """Return the value that a person gave as the schema wants it. Raises ApprovalRefused."""
    found: Any = None
    try:
        if field.kind == "yes_no":
            found = {"yes": True, "no": False, "": False}[value]
        elif field.kind == "choice":
            found = field.options[_place(field, value)]
        elif field.kind == "text":
            found = value
        else:
            found = int(value) if field.kind == "whole" else float(value)
    except (ValueError, KeyError):
        raise _refusal(field) from None
    if field.kind == "whole" and abs(found) > _MOST_WHOLE:
        raise _refusal(field)
    if field.kind == "number" and not math.isfinite(found):
        raise _refusal(field)
    if field.kind in {"text", "number", "whole"}:
        size = len(found) if field.kind == "text" else found
        most = MAX_TEXT_CHARS if field.kind == "text" else math.inf
        if not _or(field.least, -math.inf) <= size <= min(most, _or(field.most, math.inf)):
            raise _refusal(field)
    return found


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _refusal(field: Field) -> ApprovalRefused:
    return ApprovalRefused(_("“%(field)s” does not take this.") % {"field": field.label})


def _place(field: Field, value: str) -> int:
    """Return the place of the chosen option. Raises ValueError."""
    place = int(value)
    if not 0 <= place < len(field.options):
        raise ValueError(value)
    return place


def _in_words(field: Field, value: str) -> str:
    if field.kind == "yes_no":
        return _("Yes") if value == "yes" else _("No")
    if field.kind == "choice" and value:
        return _words(field.options[_place(field, value)])
    return value


def _words(option: Any) -> str:
    return readable(str(option))[:_MAX_WORDS_CHARS] or "…"
