"""OAuth2 credential providers on the admin site. No secret is shown."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.admin.probed import ProbedAdmin
from agents.admin.shared import actor_of, chip, switched
from agents.probe import Finding
from vault.admin.access import ShowsAccess
from vault.admin.ending import EndsAccess
from vault.admin.provider_form import ProviderForm, fieldsets_for, vendor_of
from vault.ending import cascade
from vault.models import CredentialProvider, Grant
from vault.providers import services as providers
from vault.providers.probe import provider_probe
from vault.vendors.names import VendorName
from vault.vendors.table import VENDORS
from vault.vendors.vendor import Vendor


def _vendor_asked(request: HttpRequest) -> Vendor | None:
    return vendor_of(request.POST.get("vendor") or request.GET.get("vendor"))


@admin.register(CredentialProvider)
class CredentialProviderAdmin(
    EndsAccess[CredentialProvider],
    ShowsAccess[CredentialProvider],
    ProbedAdmin[CredentialProvider],
):
    """Where tokens come from, and which agents may ask people for them."""

    form = ProviderForm
    readonly_fields = ("callback_url", "status_now")
    filter_horizontal = ("workloads",)
    list_display = (
        "display_name",
        "name",
        "vendor",
        "is_on",
        "status_now",
        "refreshes",
        "who_may_ask",
    )
    list_filter = ("enabled", "status", "vendor", "any_workload")
    search_fields = ("name", "display_name", "client_id", "issuer", "discovery_url")
    search_help_text = _("A part of a name, of the client id or of the issuer.")
    nothing_yet = _(
        "No provider is known yet. Agents can ask people for access to those named here."
    )
    actions = ("test_selected", "end_access")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CredentialProvider]:
        """Return the providers with who may ask for them, and how many refreshes fail there."""
        failing = (
            Grant.objects.filter(provider=OuterRef("pk"), state=Grant.State.LIVE, failures__gt=0)
            .order_by()
            .values("provider")
            .annotate(count=Count("pk"))
            .values("count")
        )
        found = super().get_queryset(request).annotate(failing=Subquery(failing))
        return found.prefetch_related("workloads__agent")

    def findings(self, row: CredentialProvider) -> list[Finding]:
        """Return what its metadata say, and whether it knows this site's client."""
        return provider_probe(provider=row)

    def in_trail(self, row: CredentialProvider) -> dict[str, str]:
        """Return the provider's name."""
        return {"provider": row.name}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the vendor first: the form is made of what that one needs."""
        if self.has_add_permission(request) and _vendor_asked(request) is None:
            context = {
                **self.admin_site.each_context(request),
                "title": _("Which vendor?"),
                "opts": self.opts,
                "vendors": VendorName.choices,
            }
            return TemplateResponse(request, "admin/vault/credentialprovider/vendors.html", context)
        return super().add_view(request, form_url, extra_context)

    def get_fieldsets(self, request: HttpRequest, obj: CredentialProvider | None = None) -> Any:
        """Return the parts that the vendor needs."""
        asked = _vendor_asked(request) if obj is None else obj.traits
        return fieldsets_for(asked or VENDORS[VendorName.CUSTOM], is_new=obj is None)

    @admin.display(description=_("status"), ordering="status")
    def status_now(self, provider: CredentialProvider) -> str:
        """Return whether it is known where it answers, and if not, why not."""
        ready = provider.status == CredentialProvider.Status.READY
        said = chip(provider.get_status_display(), "good" if ready else "warning")
        if ready:
            return said
        return format_html('{} <span class="below">{}</span>', said, provider.failure_reason)

    @admin.display(description=_("enabled"), ordering="enabled")
    def is_on(self, provider: CredentialProvider) -> str:
        """Return whether the provider is switched on."""
        return switched(provider.enabled)

    @admin.display(description=_("failing refreshes"), ordering="failing")
    def refreshes(self, provider: Any) -> str:
        """Return how many connections cannot be refreshed at the moment."""
        if not provider.failing:
            return "-"
        tried_again = ngettext("%(count)d connection", "%(count)d connections", provider.failing)
        return chip(tried_again % {"count": provider.failing}, "warning")

    @admin.display(description=_("who may ask"))
    def who_may_ask(self, provider: CredentialProvider) -> str:
        """Return which agents may ask people for access to it."""
        if provider.any_workload:
            return str(_("every agent"))
        named = (workload.agent_name for workload in provider.workloads.all())
        return ", ".join(named) or str(_("nobody"))

    @admin.display(description=_("Callback URL"))
    def callback_url(self, provider: CredentialProvider) -> str:
        """Return the redirect URI to register at the provider."""
        if provider._state.adding:
            return str(_("Shown once it is saved. Register it at the provider, exactly as it is."))
        return format_html(
            '<code>{url}</code> <button type="button" class="button" data-copies="{url}" '
            'data-copied="{copied}" data-failed="{failed}" aria-live="polite">{copy}</button>',
            url=provider.callback_url,
            copy=_("Copy"),
            copied=_("Copied"),
            failed=_("The browser did not allow copying."),
        )

    def get_readonly_fields(
        self, request: HttpRequest, obj: CredentialProvider | None = None
    ) -> tuple[str, ...]:
        """Return what cannot be changed: an existing provider's name, and whose it is."""
        return self.readonly_fields if obj is None else ("vendor", "name", *self.readonly_fields)

    def save_model(
        self,
        request: HttpRequest,
        obj: CredentialProvider,
        form: forms.ModelForm[CredentialProvider],
        change: bool,
    ) -> None:
        """Save through the service, which seals the secret and keeps the record."""
        providers.provider_store(
            provider=obj,
            client_secret=cast(ProviderForm, form).secret(),
            workloads=form.cleaned_data["workloads"],
            actor=actor_of(request),
        )

    def response_post_save_add(
        self, request: HttpRequest, obj: CredentialProvider
    ) -> HttpResponseRedirect:
        """Go to the new provider's page: its callback URL is to be registered, and it is tested."""
        said = _("Register the callback URL below at the provider, then test.")
        self.message_user(request, said, messages.INFO)
        return HttpResponseRedirect(self.page_of(obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what ends with the providers. Nothing is in the way, no other permission asked."""
        grants, tokens = map(sum, zip(*map(cascade.held_through, objs), strict=True))
        entailed = [
            ngettext(
                "%(count)d connection, which ends here and at the provider",
                "%(count)d connections, which end here and at the provider",
                grants,
            )
            % {"count": grants}
        ]
        if tokens:
            unasked = ngettext(
                "%(count)d token that nobody was asked for",
                "%(count)d tokens that nobody was asked for",
                tokens,
            )
            entailed.append(unasked % {"count": tokens})
        return entailed, {}, set(), []

    def delete_model(self, request: HttpRequest, obj: CredentialProvider) -> None:
        """Delete through the service, which first tells the provider what ends."""
        cascade.provider_end(provider=obj, actor=actor_of(request))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Lead to the order that deletes the provider, if it takes its time."""
        if not CredentialProvider.objects.filter(pk=obj_id).exists():
            return super().response_delete(request, obj_display, obj_id)
        said = _("“%(name)s” is switched off, and deleted once it was told of all that ends.")
        self.message_user(request, said % {"name": obj_display}, messages.INFO)
        return HttpResponseRedirect(reverse("admin:vault_accessending_changelist"))
