"""The page on which an admin asks why an agent takes a token, or does not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from agents.admin.probed import ProbedAdmin
from agents.admin.shared import actor_of
from agents.explainer import Explanation, explain_sync, record_explained, record_look_up
from agents.explainer.sources import SignedIn, source
from agents.models import Agent
from agents.models.registry import DEFAULT_ENDPOINT
from core.errors import AppError
from core.secret import Secret

URL_NAME = "agents_agent_explain"
_MAX_TOKEN_CHARS = 200_000
_MAX_PEOPLE = 200


class _NeverShownAgain(forms.Textarea):
    """A field whose value does not come back with the page."""

    def format_value(self, value: Any) -> str:
        """Return nothing."""
        return ""


class ExplainForm(forms.Form):
    """A token to paste, or a signed-in person whose token is looked up; one of the two."""

    endpoint = forms.ChoiceField(label=_("Endpoint"))
    token = forms.CharField(
        label=_("Token"),
        required=False,
        max_length=_MAX_TOKEN_CHARS,
        widget=_NeverShownAgain(
            attrs={"rows": 5, "spellcheck": "false", "autocomplete": "off", "class": "token"}
        ),
        help_text=_("It is checked and forgotten: neither stored nor logged nor shown again."),
    )
    person = forms.ChoiceField(
        label=_("or the token of"),
        required=False,
        help_text=_("What this person's agents are called with now. Looking it up is on record."),
    )

    def __init__(
        self, data: Any = None, *, endpoints: list[str], people: list[SignedIn], **options: Any
    ) -> None:
        super().__init__(data, **options)
        self._people = {person.key: person for person in people}
        self.fields["endpoint"].choices = [(name, name) for name in endpoints]  # type: ignore[attr-defined]  # a ChoiceField
        if people:
            named = [(person.key, person.name) for person in people]
            self.fields["person"].choices = [("", _("nobody")), *named]  # type: ignore[attr-defined]  # a ChoiceField
        else:
            del self.fields["person"]

    def clean(self) -> dict[str, Any]:
        """Take one of the two, and the person as who they are."""
        cleaned: dict[str, Any] = super().clean() or {}
        token, key = cleaned.get("token", ""), cleaned.get("person", "")
        if not self.errors and bool(token) == bool(key):
            raise forms.ValidationError(_("Paste a token, or choose a person."))
        cleaned["person"] = self._people.get(key)
        return cleaned


def explain_url(page: ProbedAdmin[Agent]) -> URLPattern:
    """Return the URL of the explainer of one agent, which its page leads to."""

    @never_cache
    @sensitive_post_parameters("token")
    def view(request: HttpRequest, object_id: str) -> HttpResponseBase:
        return _explain(page, request, object_id)

    return path("<path:object_id>/explain/", page.admin_site.admin_view(view), name=URL_NAME)


@sensitive_variables("form", "token")
def _explain(page: ProbedAdmin[Agent], request: HttpRequest, object_id: str) -> HttpResponseBase:
    """Show the form, and what was found of the token that it brought.

    Who may look at agents may paste a token; to have a person's looked up takes a permission.
    """
    agent = page.row_to_act_on(request, object_id, may=page.has_view_permission(request))
    known = source() if request.user.has_perm("agents.look_up_token") else None
    people = known.signed_in(at_most=_MAX_PEOPLE) if known else []
    endpoints = list(agent.endpoints.order_by("name").values_list("name", flat=True))
    form = ExplainForm(
        request.POST if request.method == "POST" else None,
        endpoints=endpoints,
        people=people,
        initial={"endpoint": DEFAULT_ENDPOINT},
    )
    explanation = None
    if form.is_valid():
        try:
            explanation = _explained(request, agent, form.cleaned_data)
        except AppError as error:
            form.add_error(None, str(error.message))
    shown = {
        **page.told_of(request, agent, title=_("Explain a token")),
        "agent": agent,
        "form": form,
        "explanation": explanation,
    }
    return TemplateResponse(request, "admin/agents/agent/explain.html", shown)


@sensitive_variables("asked", "token")
def _explained(request: HttpRequest, agent: Agent, asked: dict[str, Any]) -> Explanation:
    """Return what is found of the token that was pasted or looked up; that it was is on record."""
    actor, person, endpoint = actor_of(request), asked["person"], asked["endpoint"]
    if person is None:
        token = Secret(asked["token"].removeprefix("Bearer ").strip())
        explanation = explain_sync(token, agent_id=agent.agent_id, endpoint=endpoint)
        record_explained(explanation, by=actor)
        return explanation
    known = source()
    if known is None:
        raise PermissionDenied
    record_look_up(person.subject, agent_id=agent.agent_id, endpoint=endpoint, by=actor)
    return explain_sync(known.token_of(person), agent_id=agent.agent_id, endpoint=endpoint)
