"""Endpoints on an agent's page: made, pinned to another version, and deleted by services."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from agents import services
from agents.models import Agent, AgentEndpoint
from agents.models.registry import DEFAULT_ENDPOINT
from core.audit import Actor

_Formset = BaseInlineFormSet[AgentEndpoint, Agent, forms.ModelForm[AgentEndpoint]]


class EndpointForm(forms.ModelForm[AgentEndpoint]):
    """One endpoint in a row of a table."""

    class Meta:
        model = AgentEndpoint
        fields = ("name", "version", "description")
        widgets = {
            "name": forms.TextInput(attrs={"size": 16, "spellcheck": "false"}),
            "description": forms.TextInput(attrs={"size": 24}),
        }


class EndpointFormset(_Formset):
    """The endpoints of one agent. DEFAULT is there in any case, and follows the newest version."""

    def add_fields(self, form: Any, index: int | None) -> None:
        """Offer the versions of this agent, and lock what is never changed."""
        super().add_fields(form, index)
        endpoint, version = form.instance, form.fields["version"]
        version.queryset = self.instance.versions.all()
        version.label_from_instance = lambda row: _("version %(number)d") % {"number": row.number}
        version.empty_label = str(_("the newest version"))
        if endpoint._state.adding:
            version.empty_label = str(_("what is the newest version now"))
            form.initial["name"] = ""  # and not the model's default, which every agent has
            return
        form.fields["name"].disabled = True
        if endpoint.name == DEFAULT_ENDPOINT:
            version.disabled = True
            if "DELETE" in form.fields:
                form.fields["DELETE"].disabled = True
        else:
            version.required, version.empty_label = True, None


class EndpointInline(admin.TabularInline[AgentEndpoint, Agent]):
    """The names under which the agent is called. Whoever may change the agent may change them."""

    model = AgentEndpoint
    form = EndpointForm
    formset = EndpointFormset
    extra = 0
    show_change_link = False
    verbose_name = _("endpoint")
    verbose_name_plural = _("endpoints: names under which a version is called")

    def has_view_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        """Let whoever sees the agent see them."""
        return request.user.has_perm("agents.view_agent") or self._may_change(request)

    def has_add_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        """Let whoever may change the agent add one."""
        return self._may_change(request)

    def has_change_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        """Let whoever may change the agent pin them."""
        return self._may_change(request)

    def has_delete_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        """Let whoever may change the agent delete them."""
        return self._may_change(request)

    def _may_change(self, request: HttpRequest) -> bool:
        return request.user.has_perm("agents.change_agent")


def endpoints_store(formset: _Formset, *, actor: Actor) -> None:
    """Bring the agent's endpoints to what was typed, through the services.

    Raises:
        AppError: by the services, where the agent was changed meanwhile.
    """
    with transaction.atomic():
        formset.save(commit=False)
        for endpoint in formset.deleted_objects:
            services.endpoint_delete(endpoint=endpoint, actor=actor)
        for typed, _changed in formset.changed_objects:
            services.endpoint_change(
                endpoint=AgentEndpoint.objects.get(pk=typed.pk),
                number=typed.version.number if typed.version else None,
                description=typed.description,
                actor=actor,
            )
        for typed in formset.new_objects:
            services.endpoint_create(
                agent=formset.instance,
                name=typed.name,
                number=typed.version.number if typed.version else None,
                description=typed.description,
                actor=actor,
            )
