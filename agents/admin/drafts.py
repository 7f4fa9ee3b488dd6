"""An agent's form that is tried out step by step before anything is saved.

The steps are fieldsets of the form. A button below some of them sends the whole form: what was
typed stays, what that step says is tested now, and nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from agents import probe
from agents.models import AgentVersion

BUTTON = "_try"
_Probe = Callable[[AgentVersion], probe.Tried]
# By the name of the button: what is asked, and the fields that have to be right for it.
_STEPS: Mapping[str, tuple[_Probe, frozenset[str]]] = {
    "runs": (probe.runs_probe, frozenset({"url", "protocol", "called_with", "path", "port"})),
    "callers": (
        probe.callers_probe,
        frozenset({"auth_mode", "discovery_url", "allowed_clients", "allowed_scopes"}),
    ),
}


class Draft:
    """A form that is sent to be looked at. It is never valid, so that nobody saves it."""

    tried_step: str
    tried: probe.Tried | None = None

    def is_valid(self) -> bool:
        """Return False, once it is known what the tried step is like; what else is wrong waits."""
        form: Any = self
        ask, fields = _STEPS[self.tried_step]
        errors = form.errors
        for name in set(errors) - fields:
            del errors[name]
        if not errors:
            self.tried = ask(AgentVersion(**form.asked().columns()))
            form.fields["allowed_scopes"].widget.offered = self.tried.scopes
        return False


def form_for(request: HttpRequest, form: type[forms.BaseForm]) -> Any:
    """Return the form with which a request of an agent's page is answered."""
    step = request.POST.get(BUTTON, "")
    if step not in _STEPS:
        return form
    return type(form.__name__, (Draft, form), {"tried_step": step})


class OfferedLines(forms.Textarea):
    """Lines to type, and below them what is `offered` to be added by a tick."""

    offered: tuple[str, ...] = ()

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return what was typed, with a line for each tick."""
        typed = super().value_from_datadict(data, files, name)
        ticked = data.getlist(f"{name}-offered") if hasattr(data, "getlist") else []
        known = {line.strip() for line in (typed or "").splitlines()}
        more = [each for each in dict.fromkeys(ticked) if each not in known]
        return "\n".join([*filter(None, [typed and typed.rstrip()]), *more]) if more else typed

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the field, and the ticks of what does not stand in it yet."""
        field = super().render(name, value, attrs, renderer)
        known = {line.strip() for line in (value or "").splitlines()}
        left = [(name, each, each) for each in self.offered if each not in known]
        if not left:
            return field
        ticks = format_html_join(
            "", '<label><input type="checkbox" name="{}-offered" value="{}"> {}</label>', left
        )
        asked = _("Offered by the issuer; tick what to add")
        return format_html(
            '<div class="with-offers">{}'
            '<fieldset class="offered"><legend>{}</legend>{}</fieldset></div>',
            field,
            asked,
            ticks,
        )
