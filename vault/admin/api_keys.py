"""API key providers on the admin site: a key goes in and never comes out."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from agents.admin.shared import DeclaredAdmin, actor_of, chip, moment, switched
from core.secret import Secret
from vault.admin.provider_form import STAYS
from vault.models import ApiKeyProvider
from vault.models.kept_secret import SecretReference, SecretSource
from vault.providers import api_keys


class ApiKeyProviderForm(forms.ModelForm[ApiKeyProvider]):
    """A provider, with a key that is typed, or stays in AWS Secrets Manager."""

    api_key = forms.CharField(
        label=_("API key"),
        required=False,
        strip=True,
        max_length=65536,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text=_("Kept sealed and never shown."),
    )
    secret_source = forms.ChoiceField(label=_("The key is"), choices=SecretSource)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self.instance._state.adding:
            self.fields["api_key"].help_text = STAYS

    def clean(self) -> dict[str, Any]:
        """Ask for the key where there is none yet, in one of its two places."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("secret_source") == SecretSource.EXTERNAL:
            for name in ("external_secret_id", "external_json_key"):
                if not cleaned.get(name):
                    self.add_error(name, _("Needed, to read the key from AWS Secrets Manager."))
            if cleaned.get("api_key"):
                self.add_error("api_key", _("Leave this empty: the key stays in AWS."))
            return cleaned
        if not cleaned.get("api_key") and self.instance.secret_sealed is None:
            self.add_error("api_key", _("Needed."))
        return {**cleaned, "external_secret_id": "", "external_json_key": ""}

    def key(self) -> Secret | SecretReference | None:
        """Return the key, or where it is kept; None: the one that is kept stays."""
        given = self.cleaned_data
        if given["secret_source"] == SecretSource.EXTERNAL:
            return SecretReference(given["external_secret_id"], given["external_json_key"])
        return Secret(given["api_key"]) if given["api_key"] else None


@admin.register(ApiKeyProvider)
class ApiKeyProviderAdmin(DeclaredAdmin[ApiKeyProvider]):
    """Keys for third parties, and which agents may have them."""

    form = ApiKeyProviderForm
    fieldsets = (
        (None, {"fields": ("name", "enabled")}),
        (_("Key"), {"fields": ("api_key",)}),
        (
            _("A key in AWS Secrets Manager"),
            {
                "fields": ("secret_source", "external_secret_id", "external_json_key"),
                "classes": ("collapse",),
            },
        ),
        (_("Who may have it"), {"fields": ("any_workload", "workloads")}),
    )
    filter_horizontal = ("workloads",)
    list_display = ("name", "is_on", "kept", "who_may_have_it", "changed")
    list_filter = ("enabled", "secret_source", "any_workload")
    search_fields = ("name",)
    search_help_text = _("A part of the name.")
    nothing_yet = _("No API key is kept yet. Agents can get those named here.")
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKeyProvider]:
        """Return the providers with who may have their keys."""
        return super().get_queryset(request).prefetch_related("workloads__agent")

    def get_readonly_fields(
        self, request: HttpRequest, obj: ApiKeyProvider | None = None
    ) -> tuple[str, ...]:
        """Return what cannot be changed: agents ask for an existing provider by its name."""
        return () if obj is None else ("name",)

    @admin.display(description=_("enabled"), ordering="enabled")
    def is_on(self, provider: ApiKeyProvider) -> str:
        """Return whether the provider is switched on."""
        return switched(provider.enabled)

    @admin.display(description=_("the key is"), ordering="secret_source")
    def kept(self, provider: ApiKeyProvider) -> str:
        """Return where the key is."""
        return chip(provider.get_secret_source_display(), "quiet")

    @admin.display(description=_("who may have it"))
    def who_may_have_it(self, provider: ApiKeyProvider) -> str:
        """Return which agents may have the key."""
        if provider.any_workload:
            return str(_("every agent"))
        named = (workload.agent_name for workload in provider.workloads.all())
        return ", ".join(named) or str(_("nobody"))

    @admin.display(description=_("changed (UTC)"), ordering="updated_at")
    def changed(self, provider: ApiKeyProvider) -> str:
        """Return when it was changed last."""
        return moment(provider.updated_at)

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiKeyProvider,
        form: forms.ModelForm[ApiKeyProvider],
        change: bool,
    ) -> None:
        """Save through the service, which seals the key and keeps the record."""
        api_keys.api_key_provider_store(
            provider=obj,
            key=cast(ApiKeyProviderForm, form).key(),
            workloads=form.cleaned_data["workloads"],
            actor=actor_of(request),
        )

    def delete_model(self, request: HttpRequest, obj: ApiKeyProvider) -> None:
        """Delete through the service. Agents that ask for the key are refused from then on."""
        api_keys.api_key_provider_delete(provider=obj, actor=actor_of(request))
