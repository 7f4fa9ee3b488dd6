"""Resource policies on the admin site: written, read and deleted like those of the wire API."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from agents.admin.shared import DeclaredAdmin, actor_of, moment
from agents.models import ResourcePolicy
from agents.policies import stored
from agents.resources import ResourceUnknown
from core.errors import InvalidRequest


class ResourcePolicyForm(forms.ModelForm[ResourcePolicy]):
    """A policy, held against what this site understands before it is kept."""

    class Meta:
        model = ResourcePolicy
        fields = ("resource_arn", "document")
        labels = {"resource_arn": _("ARN of the resource")}
        widgets = {"document": forms.Textarea({"rows": 24, "cols": 80, "spellcheck": "false"})}
        help_texts = {
            "resource_arn": _(
                "Of an agent, an endpoint, a workload identity, a provider, the vault."
            ),
            "document": _(
                "An IAM policy document. Deny comes first; where an action is allowed to some, "
                "nobody else may do it. What is not understood is refused."
            ),
        }

    def clean(self) -> dict[str, Any]:
        """Refuse what the wire API would refuse, in its words."""
        cleaned = super().clean() or self.cleaned_data
        arn = cleaned.get("resource_arn", self.instance.resource_arn)
        if arn and "document" in cleaned:
            try:
                stored.check(resource_arn=arn, text=cleaned["document"])
            except ResourceUnknown as exc:
                self.add_error(
                    "resource_arn" if "resource_arn" in self.fields else None, exc.message
                )
            except InvalidRequest as exc:
                self.add_error("document", exc.message)
        return cleaned


@admin.register(ResourcePolicy)
class ResourcePolicyAdmin(DeclaredAdmin[ResourcePolicy]):
    """Who may use a resource, beyond the ordinary rules."""

    form = ResourcePolicyForm
    fields = ("resource_arn", "document")
    list_display = ("resource_arn", "changed")
    search_fields = ("resource_arn",)
    search_help_text = _("A part of an ARN, such as a name.")
    nothing_yet = _("No resource has a policy. The ordinary rules decide alone.")

    @admin.display(description=_("changed (UTC)"), ordering="updated_at")
    def changed(self, policy: ResourcePolicy) -> str:
        """Return when the policy was put last."""
        return moment(policy.updated_at)

    def get_readonly_fields(
        self, request: HttpRequest, obj: ResourcePolicy | None = None
    ) -> tuple[str, ...]:
        """Return what cannot be changed: a policy does not move to another resource."""
        return () if obj is None else ("resource_arn",)

    def save_model(
        self,
        request: HttpRequest,
        obj: ResourcePolicy,
        form: forms.ModelForm[ResourcePolicy],
        change: bool,
    ) -> None:
        """Put the policy through the service."""
        stored.policy_put(resource_arn=obj.resource_arn, text=obj.document, actor=actor_of(request))
        obj.pk = ResourcePolicy.objects.get(resource_arn=obj.resource_arn).pk

    def delete_model(self, request: HttpRequest, obj: ResourcePolicy) -> None:
        """Delete the policy through the service."""
        stored.policy_delete(resource_arn=obj.resource_arn, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ResourcePolicy]) -> None:
        """Delete each policy through the service."""
        for policy in queryset:
            self.delete_model(request, policy)
