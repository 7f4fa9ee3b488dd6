"""Ending all access of somebody or something on the admin site: asked first, watched after."""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _

from agents.admin.agents import AgentAdmin
from agents.admin.identities import WorkloadIdentityAdmin
from agents.admin.people import PersonAdmin
from agents.admin.shared import DeclaredAdmin, LookOnly, actor_of, chip, moment
from agents.models import Agent, WorkloadIdentity
from agents.people import OwnAccount
from core.models import User
from vault.admin.access import ShowsAccess
from vault.admin.reach import ReachesServices
from vault.ending import cascade
from vault.models import AccessEnding, Outcome

_Row = TypeVar("_Row", bound=Model)


class EndsAccess(DeclaredAdmin[_Row]):
    """Rows that can be switched off for good, with all access that is had through them."""

    def has_end_access_permission(self, request: HttpRequest) -> bool:
        """Say whether this admin may switch these off, and end access."""
        may_switch = f"{self.opts.app_label}.change_{self.opts.model_name}"
        return request.user.has_perms([may_switch, "vault.add_accessending"])

    @admin.action(permissions=["end_access"], description=_("Switch off and end all access"))
    def end_access(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Ask, saying how much ends; then order it for each, and lead to the orders."""
        rows = list(queryset)
        if "confirmed" not in request.POST:
            return self._ask_for_end(request, rows)
        for row in rows:
            try:
                cascade.access_end(of=row, actor=actor_of(request))
            except OwnAccount as refused:
                self.message_user(request, str(refused.message), messages.ERROR)
            else:
                said = _("“%(name)s” is switched off, and its access is being ended.")
                self.message_user(request, said % {"name": row}, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:vault_accessending_changelist"))

    def _ask_for_end(self, request: HttpRequest, rows: list[Any]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Switch off and end all access?"),
            "opts": self.opts,
            "ending": [(row, *cascade.held_through(row)) for row in rows],
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/vault/end_access.html", context)


# What is registered in the room below knows nothing of grants.
for _model in (Agent, WorkloadIdentity, User):
    admin.site.unregister(_model)


@admin.register(Agent)
class EndableAgentAdmin(EndsAccess[Agent], ShowsAccess[Agent], ReachesServices):
    """Agents, who may use them, and the end of what people granted them."""

    actions: Any = (*AgentAdmin.actions, "end_access")


@admin.register(WorkloadIdentity)
class EndableWorkloadIdentityAdmin(EndsAccess[WorkloadIdentity], WorkloadIdentityAdmin):
    """Workload identities, and the end of what people granted them."""

    actions: Any = ("end_access",)


@admin.register(User)
class EndablePersonAdmin(EndsAccess[User], ShowsAccess[User], PersonAdmin):
    """People, what they may use, and the end of what they granted."""

    actions: Any = (*PersonAdmin.actions, "end_access")


@admin.register(AccessEnding)
class AccessEndingAdmin(LookOnly, DeclaredAdmin[AccessEnding]):
    """Look: how far is it, and what do the providers say?"""

    fields = ("name", "kind", "ordered_by", "ordered", "deletes", "here", "there", "finished")
    readonly_fields = fields
    list_display = ("name", "kind", "is_now", "here", "there", "ordered_by", "ordered")
    list_filter = ("kind",)
    search_fields = ("name", "ordered_by")
    search_help_text = _("A part of a name.")
    nothing_yet = _(
        "No access was ended as a whole yet. Choose “Switch off and end all access” in the list of "
        "agents, workload identities, providers or people."
    )

    @admin.display(description=_("state"), ordering="finished_at")
    def is_now(self, ordered: AccessEnding) -> str:
        """Return whether something is left to be done."""
        if ordered.finished_at is None:
            return chip(_("under way"), "warning")
        return chip(_("finished"), "good")

    @admin.display(description=_("ended here"), ordering="ended")
    def here(self, ordered: AccessEnding) -> str:
        """Return how many connections have ended here, of how many."""
        return str(_("%(ended)d of %(total)d") % {"ended": ordered.ended, "total": ordered.total})

    @admin.display(description=_("at the providers"))
    def there(self, ordered: AccessEnding) -> str:
        """Return how many ended with which outcome."""
        counted = ((ordered.count(outcome), outcome.label) for outcome in Outcome)
        said = format_html_join(mark_safe("<br>"), "{}: {}", ((w, n) for n, w in counted if n))
        return said or "-"

    @admin.display(description=_("ordered (UTC)"), ordering="created_at")
    def ordered(self, ordered: AccessEnding) -> str:
        """Return when it was ordered."""
        return moment(ordered.created_at)

    @admin.display(description=_("finished (UTC)"))
    def finished(self, ordered: AccessEnding) -> str:
        """Return when nothing was left to be done."""
        return moment(ordered.finished_at) or "-"
