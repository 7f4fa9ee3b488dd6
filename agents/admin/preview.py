"""What saving an agent's form would change: who wins or loses access, the new version, the rest."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from agents.access import NOBODY, Opening, people_of
from agents.admin.forms import AgentForm
from agents.admin.probed import ProbedAdmin
from agents.admin.versions import differences
from agents.models import Agent
from core.models import User

_NAMED = 50


def url(page: ProbedAdmin[Agent]) -> URLPattern:
    """Return the page's own URL, to stand before those of the agents."""
    view = page.admin_site.admin_view(partial(_preview, page))
    return path("<path:object_id>/preview/", view, name="agents_agent_preview")


def _preview(page: ProbedAdmin[Agent], request: HttpRequest, object_id: str) -> HttpResponseBase:
    """Show what the form would change. Nothing is saved; the page holds the form to save it."""
    agent = page.row_to_act_on(request, object_id, may=page.has_change_permission(request))
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    before = Opening.of(agent) if agent.enabled else NOBODY
    filled: AgentForm = page.get_form(request, agent, change=True)(request.POST, instance=agent)
    shown = {
        **page.told_of(request, agent, title=_("What would change")),
        "form": filled,
    }
    if filled.is_valid():
        asked = filled.cleaned_data
        after = Opening.to(
            everyone=asked["allow_everyone"],
            groups=asked["allowed_groups"],
            people=asked["allowed_users"],
        )
        if not asked["enabled"]:
            after = NOBODY
        shown |= {
            "wins": _named(after, but=before),
            "loses": _named(before, but=after),
            "differences": differences(filled.before, filled.asked()) if filled.before else [],
            "consequences": filled.consequences(),
            "given": list(_given(request)),
        }
    return TemplateResponse(request, "admin/agents/agent/preview.html", shown)


def _named(opening: Opening, *, but: Opening) -> tuple[int, list[User]]:
    """Return how many people there are, and the first of them."""
    people = people_of(opening, but=but)
    return people.count(), list(people[:_NAMED])


def _given(request: HttpRequest) -> Iterable[tuple[str, Any]]:
    """Yield what was filled in, to be sent again, but for what each page has of its own."""
    for name, values in request.POST.lists():
        if name != "csrfmiddlewaretoken":
            yield from ((name, value) for value in values)
