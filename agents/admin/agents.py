"""Agents on the admin site."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _

from agents import importing, probe, services
from agents.admin import drafts, imports, preview, versions
from agents.admin.endpoints import EndpointInline, endpoints_store
from agents.admin.explain import explain_url
from agents.admin.forms import AgentForm, form_of
from agents.admin.probed import ProbedAdmin
from agents.admin.shared import LookOnly, actor_of, deletion_of, moment, switched, tell_switched
from agents.models import Agent, AgentEndpoint, AgentVersion
from core import identity_providers, jose


class _LookOnlyInline(LookOnly, admin.TabularInline[Any, Agent]):
    """Rows that are made by services alone."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let whoever sees the agent see its rows."""
        return request.user.has_perm("agents.view_agent")


class VersionInline(_LookOnlyInline):
    """What was in force, and since when."""

    model = AgentVersion
    fields = ("number", "since", "url", "callers", "headers")
    readonly_fields = fields
    ordering = ("-number",)
    verbose_name_plural = _("versions: a change above makes a new one, and nothing changes one")

    @admin.display(description=_("since (UTC)"))
    def since(self, version: AgentVersion) -> str:
        """Return from when on it was the newest."""
        return moment(version.created_at)

    @admin.display(description=_("who may call it"))
    def callers(self, version: AgentVersion) -> str:
        """Return how callers prove themselves, and every restriction that there is."""
        restrictions = (
            (_("issuer"), [version.discovery_url]),
            (_("clients"), version.allowed_clients),
            (_("also by the claims"), version.client_claims),
            (_("audiences"), version.allowed_audience),
            (_("scopes"), version.allowed_scopes),
            (_("claims"), [json.dumps(claim) for claim in version.custom_claims]),
            (_("for others"), version.allowed_workloads),
        )
        said = [str(version.get_auth_mode_display())]
        said += [f"{name}: {', '.join(values)}" for name, values in restrictions if any(values)]
        return _lines(said)

    @admin.display(description=_("headers that reach it"))
    def headers(self, version: AgentVersion) -> str:
        """Return the header allow-list."""
        return _lines(version.header_allowlist)


def _copied(request: HttpRequest) -> Agent | None:
    """Return the agent that the empty form is to be like, if one is named."""
    named = request.GET.get("copy", "")
    return Agent.objects.filter(pk=named).first() if named.isdecimal() else None


def _lines(values: Iterable[str]) -> str:
    return format_html_join(mark_safe("<br>"), "{}", ((value,) for value in values)) or "-"


@admin.register(Agent)
class AgentAdmin(ProbedAdmin[Agent]):
    """What it is, where it runs, who may call it, and who may use it."""

    form = AgentForm
    change_form_template = "admin/agents/agent/change_form.html"
    fieldsets = (
        (
            _("What it is"),
            {
                "fields": (
                    *("name", "agent_id", "arn", "display_name", "description", "accepts"),
                    "enabled",
                )
            },
        ),
        (
            _("1. Where it runs"),
            {"fields": ("url", "called_with", "protocol"), "classes": ("step-runs",)},
        ),
        (
            _("2. Who may call it"),
            {
                "classes": ("step-callers",),
                "fields": (
                    *("auth_mode", "discovery_url", "allowed_clients", "allowed_audience"),
                    *("allowed_scopes", "custom_claims", "may_drop_authorizer"),
                ),
            },
        ),
        (
            _("3. Who may use it"),
            {
                "fields": ("allow_everyone", "allowed_groups", "allowed_users"),
                "description": _(
                    "Whoever is named nowhere here does not see that it exists. Groups are there "
                    "from the first sign-in of somebody who is in them."
                ),
            },
        ),
        (_("What it is told of a call"), {"fields": ("header_allowlist",)}),
        (
            _("Protocol"),
            {
                "fields": ("path", "port", "advertised_scopes", "resource_identifier"),
                "classes": ("collapse",),
                "description": _("Where calls go below the URL, and what clients are told."),
            },
        ),
        (
            _("Advanced"),
            {
                "fields": (
                    *("client_claims", "allowed_workloads", "session_idle_s"),
                    *("session_lifetime_s", "role_arn", "network"),
                ),
                "classes": ("collapse",),
                "description": _("Other claims, agents that call agents, sessions, and AWS."),
            },
        ),
    )
    inlines = (VersionInline, EndpointInline)
    filter_horizontal = ("allowed_groups",)
    autocomplete_fields = ("allowed_users",)
    list_display = ("display_name", "name", "is_on", "newest_url", "open_to")
    list_filter = ("enabled", "allow_everyone", "allowed_groups")
    search_fields = ("display_name", "name", "agent_id", "description")
    search_help_text = _("A part of a name, of an id or of a description.")
    nothing_yet = _("No agent is registered yet. Add one, and say who may use it.")
    actions = ("test_selected", "enable_selected", "disable_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """Return the agents with what the list shows of them."""
        found = super().get_queryset(request).select_related("workload_identity")
        return found.prefetch_related("versions", "allowed_groups", "allowed_users")

    def findings(self, row: Agent) -> list[probe.Finding]:
        """Return what is found out about the agent, its issuer and its people, also from AWS."""
        return [*importing.findings(row), *probe.agent_probe(row)]

    def get_urls(self) -> list[URLPattern]:
        """Return the stock URLs, and those of AWS, of the explainer and of what changes."""
        own = [*imports.urls(self), explain_url(self), *versions.urls(self), preview.url(self)]
        return [*own, *super().get_urls()]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the empty form begins with: what an agent says that is to be copied.

        Who may use that one is not copied: a new agent is nobody's until somebody says so. One that
        is like no other is called with the tokens of people who signed in here.
        """
        copied = _copied(request)
        if copied is not None:
            return form_of(copied)
        own = identity_providers.first()
        return {
            "discovery_url": jose.discovery_url_of(own.issuer),
            "allowed_clients": [own.client_id],
            **super().get_changeform_initial_data(request),
        }

    def get_form(
        self, request: HttpRequest, obj: Agent | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form, which is a draft where a step of it is tried."""
        return drafts.form_for(request, super().get_form(request, obj, change=change, **kwargs))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Answer outside of a transaction where a step is tried: that waits for a server.

        It stores nothing, and connections to the database are few. The form is sent to an address
        without the step, or the page after it would be scrolled to where that stood.
        """
        form_url = form_url or request.get_full_path()
        if not drafts.is_draft(request):
            return super().changeform_view(request, object_id, form_url, extra_context)
        # What the stock view does in its transaction.
        stock: Any = self
        return stock._changeform_view(request, object_id, form_url, extra_context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say of which agent the new one is a copy, if it is one."""
        copied = _copied(request)
        if copied is not None:
            title = _("Copy of %(agent)s") % {"agent": copied}
            extra_context = {"title": title, "copied": copied, **(extra_context or {})}
        return super().add_view(request, form_url, extra_context)

    def in_trail(self, row: Agent) -> dict[str, str]:
        """Return the agent's id."""
        return {"agent": row.agent_id}

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        """Return what is never typed: the ids, and the name once its id was made of it."""
        return ("agent_id", "arn") if obj is None else ("name", "agent_id", "arn")

    def get_fieldsets(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        """Return the fieldsets, on the empty form without what there is not yet."""
        if obj is not None:
            return self.fieldsets
        hidden = {"agent_id", "arn", "may_drop_authorizer"}
        return tuple(
            (title, {**shown, "fields": tuple(n for n in shown["fields"] if n not in hidden)})
            for title, shown in self.fieldsets
        )

    def get_inlines(self, request: HttpRequest, obj: Agent | None) -> Any:
        """Return the inlines of an agent that exists."""
        return () if obj is None else self.inlines

    @admin.display(description=_("ARN"))
    def arn(self, agent: Agent) -> str:
        """Return the name under which the wire API knows the agent."""
        return agent.arn

    @admin.display(description=_("enabled"), ordering="enabled")
    def is_on(self, agent: Agent) -> str:
        """Return whether the agent is switched on."""
        return switched(agent.enabled)

    @admin.display(description=_("URL"))
    def newest_url(self, agent: Agent) -> str:
        """Return where the newest version runs."""
        newest = max(agent.versions.all(), key=lambda version: version.number, default=None)
        return newest.url if newest else "-"

    @admin.display(description=_("open to"))
    def open_to(self, agent: Agent) -> str:
        """Return who may use the agent, in short."""
        if agent.allow_everyone:
            return str(_("everyone"))
        named = [group.name for group in agent.allowed_groups.all()]
        named += [person.display_name for person in agent.allowed_users.all()]
        return ", ".join(named) or str(_("nobody"))

    def save_model(
        self, request: HttpRequest, obj: Agent, form: ModelForm[Agent], change: bool
    ) -> None:
        """Register the agent, or bring it to what was asked, through the services."""
        assert isinstance(form, AgentForm)  # noqa: S101  (for the type checker)
        asked, actor = form.cleaned_data, actor_of(request)
        access = {
            "everyone": asked["allow_everyone"],
            "groups": asked["allowed_groups"],
            "people": asked["allowed_users"],
        }
        if not change:
            registered = services.agent_register(
                name=asked["name"],
                display_name=asked["display_name"],
                description=asked["description"],
                accepts=asked["accepts"],
                enabled=asked["enabled"],
                asked=form.asked(),
                actor=actor,
                **access,
            )
            obj.__dict__.update(registered.__dict__)  # the row that the admin goes on with
            return
        agent = Agent.objects.get(pk=obj.pk)  # as it is, since `obj` holds the form's values
        with transaction.atomic():
            services.agent_describe(
                agent=agent,
                display_name=asked["display_name"],
                description=asked["description"],
                accepts=asked["accepts"],
                actor=actor,
            )
            services.agent_switch(agent=agent, enabled=asked["enabled"], actor=actor)
            services.agent_open_to(agent=agent, actor=actor, **access)
            version = services.agent_configure(
                agent=agent,
                asked=form.asked(),
                actor=actor,
                may_drop_authorizer=asked["may_drop_authorizer"],
            )
        if form.before != form.asked():
            said = _("Version %(number)d is in force.") % {"number": version.number}
            self.message_user(request, said, messages.INFO)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store the endpoints alone: groups and people are stored, and no version is typed.

        A version that was made with the same click can be pinned on the next page.
        """
        for formset in formsets:
            if formset.model is AgentEndpoint:
                endpoints_store(formset, actor=actor_of(request))

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Return the admin log's words for the form alone: inlines that are not saved have none."""
        return super().construct_change_message(request, form, [], add)

    def response_post_save_add(self, request: HttpRequest, obj: Agent) -> HttpResponseRedirect:
        """Go to the new agent's page, on which it can be tested."""
        if self.has_change_permission(request, obj):
            said = _("Test it now, before the first person finds out whether it answers.")
            self.message_user(request, said, messages.INFO)
        return HttpResponseRedirect(self.page_of(obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what goes with the agents, their workload identities among it, or is in the way.

        Whoever may delete an agent may delete what belongs to it, so no permission is lacking.
        """
        identities = [agent.workload_identity for agent in objs]
        entailed, counts, in_the_way = deletion_of(list(objs), identities)
        return entailed, counts, set(), in_the_way

    def delete_model(self, request: HttpRequest, obj: Agent) -> None:
        """Delete the agent through the service."""
        services.agent_delete(agent=obj, actor=actor_of(request))

    @admin.action(permissions=["change"], description=_("Switch the selected agents on"))
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Switch each agent on."""
        for agent in queryset:
            services.agent_switch(agent=agent, enabled=True, actor=actor_of(request))
            tell_switched(request, agent, enabled=True)

    @admin.action(permissions=["change"], description=_("Switch the selected agents off"))
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        """Switch each agent off."""
        for agent in queryset:
            services.agent_switch(agent=agent, enabled=False, actor=actor_of(request))
            tell_switched(request, agent, enabled=False)
