"""An agent's form that is tried out step by step before anything is saved.

The steps are fieldsets of the form. A button below some of them sends the whole form: what was
typed stays, what that step says is tested now, and nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from agents import probe
from agents.admin.shared import actor_of
from agents.models import AgentVersion
from core import audit
from core.audit import Actor

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
    tried_by: Actor
    tried: probe.Tried | None = None

    def is_valid(self) -> bool:
        """Return False, once it is known what the tried step is like; what else is wrong waits.

        Raises:
            AuditUnavailable: it cannot be put on record, and no server is asked.
        """
        form: Any = self
        ask, fields = _STEPS[self.tried_step]
        errors = form.errors
        if hasattr(self, "sign_in_again_url"):
            return False  # as it would not be saved: this asks a server that is typed here
        for name in set(errors) - fields:
            del errors[name]
        if not errors:
            version = AgentVersion(**form.asked().columns())
            self._put_on_record(version)
            self.tried = ask(version)
            form.fields["allowed_scopes"].widget.offered = self.tried.scopes
        return False

    def _put_on_record(self, version: AgentVersion) -> None:
        asked = version.url if self.tried_step == "runs" else version.discovery_url
        # Without what may stand before, in a path or a query.
        server = urlsplit(asked).netloc.rpartition("@")[2] or asked
        audit.record(
            audit.Event(
                "admin.agent.tried",
                actor=self.tried_by.name,
                subject=self.tried_by.subject,
                detail={"step": self.tried_step, "server": server},
            )
        )


def is_draft(request: HttpRequest) -> bool:
    """Say whether a request of an agent's page tries a step of its form."""
    return request.POST.get(BUTTON, "") in _STEPS


def form_for(request: HttpRequest, form: type[forms.BaseForm]) -> Any:
    """Return the form with which a request of an agent's page is answered."""
    if not is_draft(request):
        return form
    about = {"tried_step": request.POST[BUTTON], "tried_by": actor_of(request)}
    return type(form.__name__, (Draft, form), about)


class OfferedLines(forms.Textarea):
    """Lines to type, and below them what is `offered` to be added by a tick."""

    offered: tuple[str, ...] = ()

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return what was typed, with a line for each tick."""
        typed = super().value_from_datadict(data, files, name)
        ticked = data.getlist(f"{name}-offered")
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
