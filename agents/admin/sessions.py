"""Runtime sessions on the admin site: look, and stop."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_stubs_ext import StrOrPromise

from agents.admin.persons import with_people
from agents.admin.shared import DeclaredAdmin, LookOnly, Tone, actor_of, chip, moment
from agents.models import Agent, RuntimeSession
from agents.models.sessions import RuntimeSessions
from agents.sessions import listing
from agents.sessions.at_aws import StillAtAws, nobodys, stop_at_aws
from agents.sessions.owners import OPERATORS
from agents.sessions.stopping import session_stop
from core.audit import Actor
from core.subject import OPAQUE_ISSUER

_SHOWN_CHARS = 20
_STATES: dict[str, tuple[StrOrPromise, Tone]] = {
    listing.LIVE: (_("live"), "good"),
    listing.STOPPED: (_("stopped"), "warning"),
    listing.EXPIRED: (_("over"), "quiet"),
}


class StateFilter(admin.SimpleListFilter):
    """By whether it goes on."""

    title, parameter_name = _("state"), "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states."""
        return [(name, words) for name, (words, _tone) in _STATES.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the sessions in the chosen state."""
        chosen = self.value()
        if chosen not in _STATES:
            return queryset
        return queryset.filter(listing.in_state(chosen, at=timezone.now()))


class AgentFilter(admin.SimpleListFilter):
    """By agent."""

    title, parameter_name = _("agent"), "agent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the agents by the names that people know."""
        return list(Agent.objects.values_list("agent_id", "display_name"))

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the sessions with the chosen agent."""
        return queryset.filter(agent_id=self.value()) if self.value() else queryset


def _stopped_at_aws(session: RuntimeSession, *, actor: Actor) -> bool:
    """Stop at AWS what belongs to a session, if anything does; say whether it is over there."""
    try:
        stop_at_aws(session, token_of=nobodys, actor=actor)
    except StillAtAws:
        return False
    return True


@admin.register(RuntimeSession)
class RuntimeSessionAdmin(LookOnly, DeclaredAdmin[RuntimeSession]):
    """Look, and stop. Whose a session is never changes."""

    fields = (
        *("session_id", "owner", "on_agent", "endpoint", "is_now", "started", "used", "expires"),
        *("idle_s", "lifetime_s", "stopped", "ended_by", "owner_iss", "owner_sub"),
    )
    readonly_fields = fields
    list_display = ("owner", "on_agent", "is_now", "used", "ends", "shortened")
    list_filter = (StateFilter, AgentFilter)
    list_select_related = ("agent",)
    search_fields = (
        *("=session_id", "=owner_sub", "person_name", "person_email"),
        *("agent__display_name", "=agent__agent_id"),
    )
    search_help_text = _(
        "A person's name or e-mail address, an agent, or a session id as it stands. All words have "
        "to fit."
    )
    nothing_yet = _(
        "Nobody has called an agent yet. Each call begins a session, or goes on in one."
    )
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    actions = ("stop",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RuntimeSession]:
        """Return the sessions with the people whom they name."""
        return with_people(super().get_queryset(request), iss="owner_iss", sub="owner_sub")

    @admin.display(description=_("whose"), ordering="owner_sub")
    def owner(self, session: RuntimeSession) -> str:
        """Return what the person is called, or who calls for nobody."""
        if session.owner == OPERATORS:
            return str(_("Operators, for nobody in particular"))
        if session.owner.iss == OPAQUE_ISSUER:
            return str(_("“%(user)s”, as an operator names them") % {"user": session.owner_sub})
        workload = listing.workload_of(session.owner)
        if workload is not None:
            return format_html(
                '{} <span class="below">{}</span>', workload, _("a workload identity, for itself")
            )
        return str(getattr(session, "person_name", session.owner_sub))

    @admin.display(description=_("agent"), ordering="agent__display_name")
    def on_agent(self, session: RuntimeSession) -> str:
        """Return what people call the agent."""
        return session.agent.display_name

    @admin.display(description=_("state"))
    def is_now(self, session: RuntimeSession) -> str:
        """Return whether it goes on, and who stopped it."""
        words, tone = _STATES[listing.state_of(session, at=timezone.now())]
        if not session.ended_by:
            return chip(words, tone)
        by = _("by %(actor)s") % {"actor": session.ended_by}
        return format_html('{} <span class="below">{}</span>', chip(words, tone), by)

    @admin.display(description=_("started (UTC)"), ordering="started_at")
    def started(self, session: RuntimeSession) -> str:
        """Return when it began."""
        return moment(session.started_at)

    @admin.display(description=_("last used (UTC)"), ordering="last_used_at")
    def used(self, session: RuntimeSession) -> str:
        """Return when a call in it last began, went on or ended."""
        return moment(session.last_used_at)

    @admin.display(description=_("expires (UTC)"), ordering="expires_at")
    def expires(self, session: RuntimeSession) -> str:
        """Return when it ends if nobody uses it."""
        return moment(session.expires_at)

    @admin.display(description=_("stopped (UTC)"), ordering="ended_at")
    def stopped(self, session: RuntimeSession) -> str:
        """Return when somebody stopped it."""
        return moment(session.ended_at) or "-"

    @admin.display(description=_("ended or ends (UTC)"), ordering="expires_at")
    def ends(self, session: RuntimeSession) -> str:
        """Return when it ended, or until when it goes on unused."""
        return moment(session.ended_at or session.expires_at)

    @admin.display(description=_("session id"))
    def shortened(self, session: RuntimeSession) -> str:
        """Return the beginning of the id, which may be long."""
        text = session.session_id
        shown = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
        return format_html('<code title="{}">{}</code>', text, shown)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Say whether this admin may stop sessions."""
        return request.user.has_perm("agents.stop_runtimesession")

    @admin.action(permissions=["stop"], description=_("Stop the selected sessions"))
    def stop(self, request: HttpRequest, queryset: RuntimeSessions) -> HttpResponse | None:
        """Ask whether these are meant, saying whose they are; then stop each.

        Returns the question, or None once it is answered.
        """
        sessions = list(queryset.live(at=timezone.now()))
        if sessions and "confirmed" not in request.POST:
            return self._ask(request, sessions)
        actor = actor_of(request)
        stopped = [one for one in sessions if session_stop(session=one, actor=actor)]
        if not stopped:
            self.message_user(request, _("None of them goes on any more."), messages.WARNING)
            return None
        said = ngettext("%(count)d session stopped.", "%(count)d sessions stopped.", len(stopped))
        self.message_user(request, said % {"count": len(stopped)}, messages.SUCCESS)
        self._stop_at_aws(request, stopped)
        return None

    def _stop_at_aws(self, request: HttpRequest, stopped: list[RuntimeSession]) -> None:
        """End at AWS what belongs to these; say of how many that could not be done, and why."""
        left = [one for one in stopped if not _stopped_at_aws(one, actor=actor_of(request))]
        if left:
            said = ngettext(
                "%(count)d of them goes on at AWS until it has been idle for long enough. Why is "
                "in the audit trail.",
                "%(count)d of them go on at AWS until they have been idle for long enough. Why is "
                "in the audit trail.",
                len(left),
            )
            self.message_user(request, said % {"count": len(left)}, messages.WARNING)

    def _ask(self, request: HttpRequest, sessions: list[RuntimeSession]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Stop these sessions?"),
            "opts": self.opts,
            "sessions": [(one, self.owner(one)) for one in sessions],
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/agents/runtimesession/stop_selected.html", context)
