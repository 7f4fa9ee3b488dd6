"""The vault on the admin site: keep providers, look at grants and revoke them; show no secret."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.admin.shared import actor_of
from core.secret import Secret
from vault import providers, revocations
from vault.models import ConsentSession, CredentialProvider, Grant


class _LookOnly:
    """What is made by people's journeys is not added, edited or deleted here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return False."""
        return False


class ProviderForm(forms.ModelForm[CredentialProvider]):
    """A provider, with a client secret that goes in and never comes out."""

    client_secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        strip=True,
        max_length=2048,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text=_("Kept sealed and never shown. Empty: the one that is kept stays."),
    )

    def clean(self) -> dict[str, Any]:
        """Ask for the secret where there is none yet and one is needed."""
        cleaned = super().clean() or self.cleaned_data
        public = cleaned.get("client_auth") == CredentialProvider.Authentication.NONE
        given, kept = cleaned.get("client_secret"), self.instance.client_secret_sealed
        if not public and not given and kept is None:
            self.add_error("client_secret", _("Needed, except by a public client."))
        if public and given:
            self.add_error("client_secret", _("A public client has no secret."))
        return cleaned


@admin.register(CredentialProvider)
class CredentialProviderAdmin(admin.ModelAdmin[CredentialProvider]):
    """Where tokens come from, and which agents may ask people for them."""

    form = ProviderForm
    fieldsets = (
        (None, {"fields": ("name", "display_name", "vendor", "enabled", "callback_url")}),
        (_("Client"), {"fields": ("client_id", "client_auth", "client_secret")}),
        (
            _("Where it answers"),
            {
                "fields": (
                    "discovery_url",
                    "issuer",
                    "authorization_endpoint",
                    "token_endpoint",
                    "revocation_endpoint",
                    "issuer_announces_iss",
                    "account_url",
                )
            },
        ),
        (_("Who may ask"), {"fields": ("any_workload", "workloads")}),
        (
            _("What people are asked"),
            {"fields": ("scope_words", "extra_authorize_params", "refresh_grace_s")},
        ),
    )
    readonly_fields = ("callback_url",)
    filter_horizontal = ("workloads",)
    list_display = ("display_name", "name", "vendor", "enabled", "any_workload")
    list_filter = ("enabled", "vendor")
    search_fields = ("name", "display_name")
    actions = ("try_out",)

    @admin.display(description=_("Callback URL"))
    def callback_url(self, provider: CredentialProvider) -> str:
        """Return the redirect URI to register at the provider."""
        if provider._state.adding:
            return str(_("Shown once it is saved. Register it at the provider, exactly as it is."))
        return provider.callback_url

    def get_readonly_fields(
        self, request: HttpRequest, obj: CredentialProvider | None = None
    ) -> tuple[str, ...]:
        """Return what cannot be changed: agents ask for an existing provider by its name."""
        return self.readonly_fields if obj is None else ("name", *self.readonly_fields)

    def save_model(
        self,
        request: HttpRequest,
        obj: CredentialProvider,
        form: forms.ModelForm[CredentialProvider],
        change: bool,
    ) -> None:
        """Save through the service, which seals the secret and keeps the record."""
        given = form.cleaned_data["client_secret"]
        providers.provider_store(
            provider=obj,
            client_secret=Secret(given) if given else None,
            workloads=form.cleaned_data["workloads"],
            actor=actor_of(request),
        )

    def delete_model(self, request: HttpRequest, obj: CredentialProvider) -> None:
        """Delete through the service. One at which anybody ever consented is protected."""
        providers.provider_delete(provider=obj, actor=actor_of(request))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions, without deleting many at once."""
        return {k: v for k, v in super().get_actions(request).items() if k != "delete_selected"}

    @admin.action(permissions=["change"], description=_("Test the selected providers"))
    def try_out(self, request: HttpRequest, queryset: QuerySet[CredentialProvider]) -> None:
        """Ask each provider for its metadata and whether it knows this site's client."""
        for provider in queryset:
            for finding in providers.provider_try(provider=provider):
                level = messages.SUCCESS if finding.good else messages.WARNING
                said = format_lazy("{}: {}", provider.display_name, finding.sentence)
                self.message_user(request, str(said), level)


@admin.register(Grant)
class GrantAdmin(_LookOnly, admin.ModelAdmin[Grant]):
    """Look, and revoke. A token is not added, edited, deleted or read here."""

    fields = (
        "id",
        "workload_identity",
        "provider",
        "user_iss",
        "user_sub",
        "scopes",
        "state",
        "created_at",
        "granted_at",
        "last_used_at",
        "access_expires_at",
        "refreshed_at",
        "next_refresh_at",
        "generation",
        "failures",
        "last_failure",
    )
    readonly_fields = fields
    list_display = ("id", "workload_identity", "provider", "user_sub", "state", "last_used_at")
    list_filter = ("state", "provider")
    list_select_related = ("workload_identity", "provider")
    search_fields = ("=id", "=user_sub", "workload_identity__name")
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Say whether this admin may take back what people granted."""
        return request.user.has_perm("vault.revoke_grant")

    @admin.action(permissions=["revoke"], description=_("Revoke the selected grants"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Grant]) -> None:
        """Forget each grant here and end it at its provider; say how many providers know."""
        outcomes = [
            revocations.grant_revoke(grant=grant, actor=actor_of(request)).outcome
            for grant in queryset.exclude(state=Grant.State.REVOKED)
        ]
        there = outcomes.count(revocations.Outcome.REVOKED_AT_PROVIDER)
        told = ngettext(
            "%(count)d grant revoked, %(there)d of them at the provider too.",
            "%(count)d grants revoked, %(there)d of them at the provider too.",
            len(outcomes),
        )
        level = messages.SUCCESS if there == len(outcomes) else messages.WARNING
        self.message_user(request, told % {"count": len(outcomes), "there": there}, level)


@admin.register(ConsentSession)
class ConsentSessionAdmin(_LookOnly, admin.ModelAdmin[ConsentSession]):
    """Look: why did a person's consent not come to anything?"""

    fields = (
        "id",
        "workload_identity",
        "provider",
        "user_iss",
        "user_sub",
        "scopes",
        "return_url",
        "forced",
        "status",
        "failure",
        "provider_words",
        "created_at",
        "expires_at",
        "ended_at",
    )
    readonly_fields = fields
    list_display = ("id", "workload_identity", "provider", "user_sub", "status", "created_at")
    list_filter = ("status", "provider")
    list_select_related = ("workload_identity", "provider")
    search_fields = ("=id", "=user_sub", "workload_identity__name")
