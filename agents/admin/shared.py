"""What the registry's admin pages share."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, cast

from django import forms
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.html import format_html
from django_stubs_ext import StrOrPromise

from core.audit import Actor
from core.models import User


def actor_of(request: HttpRequest) -> Actor:
    """Return the admin who asks; the admin site lets nobody else in."""
    return Actor.person(cast(User, request.user))


Tone = Literal["good", "warning", "bad", "quiet"]


def chip(words: StrOrPromise, tone: Tone) -> str:
    """Return a short word as a coloured label; the word alone says what the colour does."""
    return format_html('<span class="chip chip-{}">{}</span>', tone, words)


def moment(at: datetime | None) -> str:
    """Return a time to the second, in UTC as in the log, in a way that sorts as it reads."""
    if at is None:
        return ""
    said = formats.date_format(timezone.localtime(at), "Y-m-d H:i:s")
    return format_html('<time class="moment" datetime="{}">{}</time>', at.isoformat(), said)


class LinesField(forms.CharField):
    """A list of strings, one on each line."""

    def __init__(self, **options: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
        super().__init__(**{"required": False, "widget": widget, **options})

    def to_python(self, value: Any) -> Any:
        """Return the lines as a tuple, without blank ones."""
        text = super().to_python(value) or ""
        return tuple(line.strip() for line in text.splitlines() if line.strip())

    def prepare_value(self, value: Any) -> Any:
        """Return the list as text; what was typed stays as it was."""
        return value if isinstance(value, str) or value is None else "\n".join(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Say whether another list was typed."""
        return bool(tuple(initial or ()) != self.to_python(data))
