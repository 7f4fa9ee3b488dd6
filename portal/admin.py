"""What the admin site knows of people's sign-ins, and shows of agents as a person sees them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.admin.shared import actor_of, moment
from agents.models import Agent
from core.models import User
from portal.as_person import agent_as_seen
from portal.signed_in import Place, places_end, places_of
from vault.admin.access import TELLS_OF, people_named
from vault.admin.ending import EndableAgentAdmin, EndablePersonAdmin

_PEOPLE_NAMED = 20

# What is registered in the rooms below knows nothing of sign-ins and of the chat.
for _model in (Agent, User):
    admin.site.unregister(_model)


@admin.register(Agent)
class SeenAgentAdmin(EndableAgentAdmin):
    """Agents, and each as a chosen person sees it."""

    def get_urls(self) -> list[URLPattern]:
        """Return the stock URLs, and that of the page."""
        view = self.admin_site.admin_view(self.seen_view)
        return [path("<path:object_id>/seen/", view, name="agents_agent_seen"), *super().get_urls()]

    def seen_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show the agent as the person of the query has it, or let one be chosen."""
        may = self.has_view_permission(request) and request.user.has_perms(TELLS_OF)
        agent = self.row_to_act_on(request, object_id, may=may)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET"])
        words, chosen = request.GET.get("q", "").strip()[:100], request.GET.get("person", "")
        person = User.objects.filter(pk=chosen).first() if chosen.isdecimal() else None
        shown = {
            **self.told_of(request, agent, title=_("As a person sees it")),
            "q": words,
            "people": people_named(User.objects.order_by("name", "pk"), words)[:_PEOPLE_NAMED],
            "person": person,
            "seen": agent_as_seen(agent, by=person) if person else None,
        }
        return TemplateResponse(request, "admin/agents/agent/seen.html", shown)


@admin.register(User)
class SignedInPersonAdmin(EndablePersonAdmin):
    """People, where they are signed in, and the end of that."""

    fields = (*EndablePersonAdmin.fields, "signed_in_with")
    readonly_fields = fields
    actions: Any = (*EndablePersonAdmin.actions, "sign_out_selected")

    @admin.display(description=_("signed in with (UTC)"))
    def signed_in_with(self, person: User) -> str:
        """Return each browser, since when, and when it was last seen."""
        return (
            format_html_join(mark_safe("<br>"), "{}", ((_said(p),) for p in places_of(person)))
            or "-"
        )

    def has_sign_out_permission(self, request: HttpRequest) -> bool:
        """Say whether this admin may sign people out."""
        return request.user.has_perm("portal.end_signin")

    @admin.action(
        permissions=["sign_out"], description=_("Sign the selected people out everywhere")
    )
    def sign_out_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """End each one's sign-ins. An admin who is among them stays here."""
        here = request.signin  # type: ignore[attr-defined]  # our middleware's
        ended = sum(places_end(user=person, but=here, by=actor_of(request)) for person in queryset)
        said = ngettext("%(count)d sign-in ended.", "%(count)d sign-ins ended.", ended)
        messages.success(request, said % {"count": ended})


def _said(place: Place) -> str:
    return format_html(
        str(_("{browser}, since {started}, last seen {seen}")),
        browser=place.browser,
        started=moment(place.started_at),
        seen=moment(place.seen_at),
    )
