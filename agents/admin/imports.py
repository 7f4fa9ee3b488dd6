"""The page that shows the runtimes of an AWS account beside the registry, and registers them."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from agents import importing
from agents.admin.shared import Tone, actor_of, chip
from agents.aws.errors import AwsRefused
from agents.importing import Compared, Standing
from agents.models import Agent
from core.errors import AppError

_STANDINGS: dict[Standing, tuple[StrOrPromise, Tone]] = {
    Standing.NEW: (_("new"), "warning"),
    Standing.SAME: (_("same"), "good"),
    Standing.CHANGED: (_("changed"), "warning"),
    Standing.GONE: (_("gone"), "bad"),
}


def urls(agents: admin.ModelAdmin[Agent]) -> list[URLPattern]:
    """Return the page's own URL, to stand before those of the agents."""
    page = agents.admin_site.admin_view(partial(_page, agents))
    return [path("import/", page, name="agents_agent_import")]


def _page(agents: admin.ModelAdmin[Agent], request: HttpRequest) -> HttpResponseBase:
    """Show what AWS has, or register what was chosen of it. Asks AWS in either case."""
    if not (agents.has_add_permission(request) and agents.has_change_permission(request)):
        raise PermissionDenied
    if request.method == "POST":
        return _chosen(agents, request)
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "POST"])
    region = request.GET.get("region") or settings.AWS_REGION
    return _shown(agents, request, region)


def _shown(agents: admin.ModelAdmin[Agent], request: HttpRequest, region: str) -> HttpResponse:
    found: list[Compared] = []
    refused: StrOrPromise = ""
    try:
        found = importing.compare(region=region)
    except AwsRefused as exc:
        refused = exc.message
    context: dict[str, Any] = {
        **agents.admin_site.each_context(request),
        "title": _("Agents on AWS"),
        "opts": agents.opts,
        "region": region[:64],
        "rows": [(each, chip(*_STANDINGS[each.standing]), _may_be_chosen(each)) for each in found],
        "refused": refused,
    }
    return TemplateResponse(request, "admin/agents/agent/import.html", context)


def _chosen(agents: admin.ModelAdmin[Agent], request: HttpRequest) -> HttpResponse:
    """Register what AWS has now of what was ticked, and say of each what came of it."""
    region = request.POST.get("region") or settings.AWS_REGION
    ticked = set(request.POST.getlist("runtime"))
    try:
        found = importing.compare(region=region)
    except AwsRefused as exc:
        agents.message_user(request, str(exc.message), messages.ERROR)
        found = []
    for each in found:
        if each.place.arn in ticked and _may_be_chosen(each):
            _take(agents, request, each)
    page = reverse("admin:agents_agent_import", query={"region": region})
    return HttpResponseRedirect(page)


def _take(agents: admin.ModelAdmin[Agent], request: HttpRequest, each: Compared) -> None:
    assert each.runtime is not None  # noqa: S101  (what has none cannot be chosen)
    actor = actor_of(request)
    try:
        if each.agent is not None:
            version = importing.agent_follow(each.agent, each.runtime, actor=actor)
            said = _("“%(name)s”: version %(number)d is in force.")
            told = said % {"name": each.agent, "number": version.number}
        else:
            agent = importing.runtime_register(each.runtime, actor=actor)
            said = _("“%(name)s” is registered. Nobody may use it until you say who.")
            told = said % {"name": agent}
    except AppError as exc:
        agents.message_user(request, f"{each.name}: {exc.message}", messages.ERROR)
    else:
        agents.message_user(request, told, messages.SUCCESS)


def _may_be_chosen(each: Compared) -> bool:
    return each.standing in {Standing.NEW, Standing.CHANGED}
