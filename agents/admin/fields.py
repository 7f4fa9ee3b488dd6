"""What is typed on an agent's page and is neither a line nor a list of lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from agents.admin.shared import LinesField

_PAIR = 2


class JsonField(forms.JSONField):
    """JSON; what holds nothing is an empty field."""

    def prepare_value(self, value: Any) -> Any:
        """Return the value as text, or what was typed."""
        return super().prepare_value(value) if value else ""


class PairsField(LinesField):
    """Names and what belongs to each: a pair on each line, with a blank between."""

    def to_python(self, value: Any) -> Any:
        """Return the pairs as a dict. Raises ValidationError for a line that is none."""
        pairs = [tuple(line.split()) for line in super().to_python(value)]
        for number, pair in enumerate(pairs, start=1):
            if len(pair) != _PAIR:
                message = _("Line %(number)d is not two words with a blank between.")
                raise ValidationError(message, params={"number": number})
        if len(dict(pairs)) < len(pairs):
            raise ValidationError(_("A name stands at the beginning of two lines."))
        return dict(pairs)

    def prepare_value(self, value: Any) -> Any:
        """Return the pairs as text; what was typed stays as it was."""
        if isinstance(value, Mapping):
            return "\n".join(f"{name} {belongs}" for name, belongs in value.items())
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Say whether other pairs were typed."""
        try:
            return bool(dict(initial or {}) != self.to_python(data))
        except ValidationError:
            return True
