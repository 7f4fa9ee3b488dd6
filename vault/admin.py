"""The vault on the admin site: keep providers, look at grants and revoke them; show no secret."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.admin.persons import with_people
from agents.admin.probed import ProbedAdmin
from agents.admin.shared import (
    DeclaredAdmin,
    LookOnly,
    Tone,
    actor_of,
    chip,
    moment,
    switched,
)
from agents.probe import Finding
from vault import endings, providers, revocations
from vault.api_key_admin import ApiKeyProviderAdmin
from vault.ending_admin import EndsAccess
from vault.models import ApiKeyProvider, ConsentSession, CredentialProvider, Grant, Outcome
from vault.provider_form import ProviderForm, fieldsets_for, vendor_of
from vault.vendors.names import VendorName
from vault.vendors.table import VENDORS
from vault.vendors.vendor import Vendor

_Row = TypeVar("_Row", bound=Model)
_SEARCHED = (
    *("person_name", "person_email", "workload_identity__name"),
    *("workload_identity__agent__display_name", "provider__name", "provider__display_name"),
)


class _JourneyAdmin(LookOnly, DeclaredAdmin[_Row]):
    """What is made by a person's journey, with whose it is."""

    list_select_related = ("workload_identity__agent", "provider")
    search_help_text = _(
        "A person's name or e-mail address, an agent or a provider. All words have to fit."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[_Row]:
        """Return the rows with the people whom they name."""
        return with_people(super().get_queryset(request), iss="user_iss", sub="user_sub")

    @admin.display(description=_("person"), ordering="person_name")
    def person(self, row: Any) -> str:
        """Return what the person is called."""
        return str(row.person_name)

    @admin.display(description=_("agent"), ordering="workload_identity__name")
    def agent(self, row: Any) -> str:
        """Return what people call the agent."""
        return str(row.agent_name)


def _vendor_asked(request: HttpRequest) -> Vendor | None:
    return vendor_of(request.POST.get("vendor") or request.GET.get("vendor"))


@admin.register(CredentialProvider)
class CredentialProviderAdmin(EndsAccess[CredentialProvider], ProbedAdmin[CredentialProvider]):
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
        return providers.provider_probe(provider=row)

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
        named = [
            getattr(workload, "agent", None) or workload for workload in provider.workloads.all()
        ]
        return ", ".join(map(str, named)) or str(_("nobody"))

    @admin.display(description=_("Callback URL"))
    def callback_url(self, provider: CredentialProvider) -> str:
        """Return the redirect URI to register at the provider."""
        if provider._state.adding:
            return str(_("Shown once it is saved. Register it at the provider, exactly as it is."))
        return provider.callback_url

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
        grants, tokens = map(sum, zip(*map(endings.held_through, objs), strict=True))
        entailed = [
            ngettext(
                "%(count)d connection, which ends here and at the provider",
                "%(count)d connections, which end here and at the provider",
                grants,
            )
            % {"count": grants},
            ngettext(
                "%(count)d token that nobody was asked for",
                "%(count)d tokens that nobody was asked for",
                tokens,
            )
            % {"count": tokens},
        ]
        return entailed, {}, set(), []

    def delete_model(self, request: HttpRequest, obj: CredentialProvider) -> None:
        """Delete through the service, which first tells the provider what ends."""
        endings.provider_end(provider=obj, actor=actor_of(request))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Lead to the order that deletes the provider, if it takes its time."""
        if not CredentialProvider.objects.filter(pk=obj_id).exists():
            return super().response_delete(request, obj_display, obj_id)
        said = _("“%(name)s” is switched off, and deleted once it was told of all that ends.")
        self.message_user(request, said % {"name": obj_display}, messages.INFO)
        return HttpResponseRedirect(reverse("admin:vault_accessending_changelist"))


admin.site.register(ApiKeyProvider, ApiKeyProviderAdmin)


@admin.register(Grant)
class GrantAdmin(_JourneyAdmin[Grant]):
    """Look, and revoke. A token is not added, edited, deleted or read here."""

    fields = (
        "id",
        "person",
        "agent",
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
        "revoked_at",
        "revoked_by",
        "revocation_outcome",
    )
    readonly_fields = fields
    list_display = ("person", "agent", "provider", "is_now", "granted", "used", "over")
    list_filter = ("state", "revocation_outcome", "provider")
    search_fields = ("=id", "=user_sub", *_SEARCHED)
    nothing_yet = _("Nobody has granted an agent anything yet.")
    actions = ("revoke",)

    @admin.display(description=_("state"), ordering="state")
    def is_now(self, grant: Grant) -> str:
        """Return whether it holds, and once it is over, what came of it at the provider."""
        tones: dict[str, Tone] = {"live": "good", "lapsed": "warning"}
        said = chip(grant.get_state_display(), tones.get(grant.state, "quiet"))
        there = grant.get_revocation_outcome_display()
        return format_html('{} <span class="below">{}</span>', said, there) if there else said

    @admin.display(description=_("granted (UTC)"), ordering="granted_at")
    def granted(self, grant: Grant) -> str:
        """Return when the person granted it last."""
        return moment(grant.granted_at)

    @admin.display(description=_("last used (UTC)"), ordering="last_used_at")
    def used(self, grant: Grant) -> str:
        """Return when its token was last handed out."""
        return moment(grant.last_used_at) or "-"

    @admin.display(description=_("ended (UTC)"), ordering="revoked_at")
    def over(self, grant: Grant) -> str:
        """Return when it ended."""
        return moment(grant.revoked_at) or "-"

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Say whether this admin may take back what people granted."""
        return request.user.has_perm("vault.revoke_grant")

    @admin.action(permissions=["revoke"], description=_("Revoke the selected grants"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Grant]) -> HttpResponse | None:
        """Ask whether these are meant, saying whose they are; then end each here and there.

        Returns the question, or None once it is answered and told how many providers know.
        """
        grants = list(queryset.exclude(state=Grant.State.REVOKED))
        if grants and "confirmed" not in request.POST:
            return self._ask(request, grants)
        outcomes = [
            revocations.grant_revoke(grant=grant, actor=actor_of(request)).outcome
            for grant in grants
        ]
        there = outcomes.count(Outcome.REVOKED_AT_PROVIDER)
        told = ngettext(
            "%(count)d grant revoked, %(there)d of them at the provider too.",
            "%(count)d grants revoked, %(there)d of them at the provider too.",
            len(outcomes),
        )
        level = messages.SUCCESS if there == len(outcomes) else messages.WARNING
        self.message_user(request, told % {"count": len(outcomes), "there": there}, level)
        return None

    def _ask(self, request: HttpRequest, grants: list[Grant]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("End these connections?"),
            "opts": self.opts,
            "grants": grants,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/vault/grant/revoke_selected.html", context)


@admin.register(ConsentSession)
class ConsentSessionAdmin(_JourneyAdmin[ConsentSession]):
    """Look: why did a person's consent not come to anything?"""

    fields = (
        "id",
        "person",
        "agent",
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
    list_display = ("person", "agent", "provider", "is_now", "asked", "ends")
    list_filter = ("status", "provider")
    search_fields = ("=id", "=user_sub", "failure", *_SEARCHED)
    nothing_yet = _("Nobody was asked for consent yet.")

    @admin.display(description=_("state"), ordering="status")
    def is_now(self, session: ConsentSession) -> str:
        """Return how far it came, and why no further."""
        tones: dict[str, Tone] = {"completed": "good", "denied": "warning", "failed": "bad"}
        said = chip(session.get_status_display(), tones.get(session.status, "quiet"))
        if not session.failure or session.failure == session.status:
            return said
        return format_html('{} <code class="below">{}</code>', said, session.failure)

    @admin.display(description=_("asked (UTC)"), ordering="created_at")
    def asked(self, session: ConsentSession) -> str:
        """Return when the agent asked."""
        return moment(session.created_at)

    @admin.display(description=_("ended or ends (UTC)"), ordering="expires_at")
    def ends(self, session: ConsentSession) -> str:
        """Return when it ended, or until when it is open."""
        return moment(session.ended_at or session.expires_at)
