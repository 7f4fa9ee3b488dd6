"""The pages that show how an agent's versions differ, and take it back to what one of them said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from agents import services
from agents.admin.forms import AgentForm
from agents.admin.probed import ProbedAdmin
from agents.admin.shared import actor_of, moment
from agents.configuration import Configuration, ConfigurationRefused
from agents.models import Agent, AgentVersion
from agents.models.registry import DEFAULT_ENDPOINT


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of a version that another says otherwise, as lines to read."""

    name: str
    before: list[str]
    after: list[str]


@dataclass(frozen=True, slots=True)
class _Entry:
    version: AgentVersion
    since: str
    endpoints: list[str]
    differences: list[Difference]


def urls(page: ProbedAdmin[Agent]) -> list[URLPattern]:
    """Return the pages' own URLs, to stand before those of the agents."""
    view = page.admin_site.admin_view
    return [
        path(
            "<path:object_id>/versions/",
            view(partial(_versions, page)),
            name="agents_agent_versions",
        ),
        path(
            "<path:object_id>/versions/<int:number>/roll-back/",
            view(partial(_roll_back, page)),
            name="agents_agent_roll_back",
        ),
    ]


def differences(before: Configuration, after: Configuration) -> list[Difference]:
    """Return what `after` says otherwise than `before`, in the order of the form."""
    changes = after.changes(before)
    return [
        Difference(capfirst(str(_label(name))), _lines(old), _lines(new))
        for name, (old, new) in changes.items()
    ]


def _versions(page: ProbedAdmin[Agent], request: HttpRequest, object_id: str) -> HttpResponseBase:
    """Show every version, the newest first, with what it changed."""
    agent = page.row_to_act_on(request, object_id, may=page.has_view_permission(request))
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET"])
    shown = {
        **page.told_of(request, agent, title=_("Versions")),
        "entries": list(_entries(agent)),
        "may_roll_back": page.has_change_permission(request),
    }
    return TemplateResponse(request, "admin/agents/agent/versions.html", shown)


def _roll_back(
    page: ProbedAdmin[Agent], request: HttpRequest, object_id: str, number: int
) -> HttpResponseBase:
    """Show what would change, or let a new version say what this one said."""
    agent = page.row_to_act_on(request, object_id, may=page.has_change_permission(request))
    version = agent.versions.filter(number=number).first()
    newest = agent.versions.order_by("-number").first()
    if version is None or newest is None:
        raise Http404
    asked = Configuration.of(version)
    if request.method == "POST":
        return _rolled_back(page, request, agent, asked)
    shown = {
        **page.told_of(request, agent, title=_("Roll back to version %d") % number),
        "version": version,
        "newest": newest,
        "differences": differences(Configuration.of(newest), asked),
        "pinned": _pinned(agent),
    }
    return TemplateResponse(request, "admin/agents/agent/roll_back.html", shown)


def _rolled_back(
    page: ProbedAdmin[Agent], request: HttpRequest, agent: Agent, asked: Configuration
) -> HttpResponse:
    """Make the version. What one said is held against the rules of today."""
    try:
        made = services.agent_configure(agent=agent, asked=asked, actor=actor_of(request))
    except ConfigurationRefused as refused:
        for error in refused.fields:
            page.message_user(request, str(error.message), messages.ERROR)
    else:
        said = _("Version %(number)d is in force.") % {"number": made.number}
        page.message_user(request, said, messages.SUCCESS)
    return HttpResponseRedirect(reverse("admin:agents_agent_versions", args=[agent.pk]))


def _entries(agent: Agent) -> Iterator[_Entry]:
    versions = list(agent.versions.order_by("-number"))
    pins = agent.endpoints.exclude(version=None).values_list("version_id", "name")
    for version, older in zip(versions, [*versions[1:], None], strict=True):
        pointing = sorted(name for pk, name in pins if pk == version.pk)
        if version is versions[0]:
            pointing.insert(0, DEFAULT_ENDPOINT)
        changed = []
        if older is not None:
            changed = differences(Configuration.of(older), Configuration.of(version))
        yield _Entry(version, moment(version.created_at), pointing, changed)


def _pinned(agent: Agent) -> list[str]:
    """Return the endpoints that do not follow the newest version."""
    return list(
        agent.endpoints.exclude(version=None).order_by("name").values_list("name", flat=True)
    )


def _label(name: str) -> Any:
    return AgentForm.base_fields[name].label


def _lines(value: Any) -> list[str]:
    if isinstance(value, list):
        return [line for each in value for line in _lines(each)]
    if isinstance(value, dict):
        return [json.dumps(value, sort_keys=True, ensure_ascii=False)] if value else []
    return [] if value in {None, ""} else [str(value)]
