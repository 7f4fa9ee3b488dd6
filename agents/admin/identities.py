"""Workload identities on the admin site."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from agents import services
from agents.admin.shared import DeclaredAdmin, LinesField, actor_of, moment, switched
from agents.models import WorkloadIdentity
from core.errors import InvalidRequest


class WorkloadIdentityForm(forms.ModelForm[WorkloadIdentity]):
    """A workload identity."""

    allowed_return_urls = LinesField(
        label=_("Allowed return URLs"),
        help_text=_(
            "Where a person may be sent after consent, besides this site's own page. Exact URLs, "
            "one on each line."
        ),
    )

    class Meta:
        model = WorkloadIdentity
        fields = ("name", "enabled", "allowed_return_urls")

    def clean_allowed_return_urls(self) -> tuple[str, ...]:
        """Refuse what is not a URL that a person can be sent to."""
        urls: tuple[str, ...] = self.cleaned_data["allowed_return_urls"]
        try:
            services.check_return_urls(urls)
        except InvalidRequest as refused:
            raise forms.ValidationError(str(refused.message)) from None
        return urls


@admin.register(WorkloadIdentity)
class WorkloadIdentityAdmin(DeclaredAdmin[WorkloadIdentity]):
    """Under what agents act. An agent's own is made with the agent, and goes with it."""

    form = WorkloadIdentityForm
    fields = ("name", "arn", "agent", "enabled", "allowed_return_urls", "created_at")
    list_display = ("name", "agent", "is_on", "created")
    list_filter = ("enabled",)
    list_select_related = ("agent",)
    search_fields = ("name", "agent__display_name")
    search_help_text = _("A part of the identity's name, or of its agent's.")
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: WorkloadIdentity | None = None) -> Any:
        """Return what is never typed; grants are bound to an identity's name for good."""
        made = ("arn", "agent", "created_at")
        return made if obj is None else ("name", *made)

    def get_fields(self, request: HttpRequest, obj: WorkloadIdentity | None = None) -> Any:
        """Return the fields, on the empty form without what there is not yet."""
        return ("name", "allowed_return_urls") if obj is None else self.fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkloadIdentity]:
        """Return the identities with the agents that they belong to."""
        return super().get_queryset(request).select_related("agent")

    def has_delete_permission(
        self, request: HttpRequest, obj: WorkloadIdentity | None = None
    ) -> bool:
        """Return False: what people granted is bound to it. It can be switched off."""
        return False

    @admin.display(description=_("enabled"), ordering="enabled")
    def is_on(self, identity: WorkloadIdentity) -> str:
        """Return whether the identity is switched on."""
        return switched(identity.enabled)

    @admin.display(description=_("created (UTC)"), ordering="created_at")
    def created(self, identity: WorkloadIdentity) -> str:
        """Return when the identity was made."""
        return moment(identity.created_at)

    @admin.display(description=_("ARN"))
    def arn(self, identity: WorkloadIdentity) -> str:
        """Return the name under which the wire API knows the identity."""
        return identity.arn

    @admin.display(description=_("agent"))
    def agent(self, identity: WorkloadIdentity) -> str:
        """Return the agent that the identity belongs to."""
        agent = getattr(identity, "agent", None)
        return str(agent) if agent else "-"

    def save_model(
        self,
        request: HttpRequest,
        obj: WorkloadIdentity,
        form: forms.ModelForm[WorkloadIdentity],
        change: bool,
    ) -> None:
        """Create the identity, or bring it to what was asked, through the services."""
        asked, actor = form.cleaned_data, actor_of(request)
        urls = asked["allowed_return_urls"]
        if not change:
            created = services.workload_identity_create(
                name=asked["name"], allowed_return_urls=urls, actor=actor
            )
            obj.__dict__.update(created.__dict__)  # the row that the admin goes on with
            return
        identity = WorkloadIdentity.objects.get(pk=obj.pk)
        with transaction.atomic():
            services.workload_identity_change(
                identity=identity, allowed_return_urls=urls, actor=actor
            )
            services.workload_identity_switch(
                identity=identity, enabled=asked["enabled"], actor=actor
            )
