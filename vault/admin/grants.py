"""What people granted and were asked for, on the admin site: look, and revoke. Shows no token."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.admin.persons import with_people
from agents.admin.shared import DeclaredAdmin, LookOnly, Tone, actor_of, chip, moment
from vault.ending import revocations
from vault.errors import GrantUnknown
from vault.holdings import counting
from vault.models import ConsentSession, Grant, Outcome
from vault.models.grants import Grants

_Row = TypeVar("_Row", bound=Model)
# So many are revoked by one question; of so many whoever asks waits for their providers; and so
# many the question names.
_MOST, _TOLD_AT_ONCE, _LISTED = 1000, 20, 50
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

    def get_form(
        self, request: HttpRequest, obj: _Row | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form that says what each thing is in the reader's language."""
        labels = {
            "id": _("id"),
            "granted_at": _("granted last"),
            "generation": _("generation of its tokens"),
            "failures": _("failures since it worked last"),
        }
        return super().get_form(request, obj, change, labels=labels, **kwargs)

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


class RefreshFilter(admin.SimpleListFilter):
    """By when it is refreshed."""

    title, parameter_name = _("refresh"), "refresh"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return what there is to ask for."""
        return [("soon", _("due within the hour")), ("overdue", _("overdue"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the grants of which that is so."""
        conditions = {"soon": counting.due_soon, "overdue": counting.overdue}
        chosen = conditions.get(self.value() or "")
        return queryset.filter(chosen(timezone.now())) if chosen else queryset


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
    list_filter = ("state", RefreshFilter, "revocation_outcome", "provider")
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
    def revoke(self, request: HttpRequest, queryset: Grants) -> HttpResponse | None:
        """Ask whether these are meant, saying whose they are; then end each here and there.

        What was asked about is ended, and nothing that a list of many pages has got since. Of a few
        the providers are told at once; workers tell those of many.
        Returns the question, or None once it is answered and told what came of it.
        """
        meant = _meant(request)
        if meant is not None:
            queryset = queryset.filter(pk__in=meant)
        grants = list(queryset.held()[: _MOST + 1])
        if len(grants) > _MOST:
            told = _(
                "Nothing was revoked: these are more than %(most)d connections. Filter them, or "
                "end all access of an agent, a person or a provider."
            )
            self.message_user(request, told % {"most": _MOST}, messages.ERROR)
            return None
        is_across = request.POST.get("select_across") == "1"
        if grants and ("confirmed" not in request.POST or (is_across and meant is None)):
            return self._ask(request, grants)
        if len(grants) > _TOLD_AT_ONCE:
            ended = revocations.grants_revoke(
                grants=[grant.pk for grant in grants], actor=actor_of(request)
            )
            told = _("%(count)d grants revoked. Workers tell their providers now.")
            self.message_user(request, told % {"count": ended}, messages.SUCCESS)
            return None
        self._revoke_at_once(request, grants)
        return None

    def _revoke_at_once(self, request: HttpRequest, grants: list[Grant]) -> None:
        """End a few, and say how many providers know of it."""
        outcomes = []
        for grant in grants:
            with suppress(GrantUnknown):  # somebody else ended it meanwhile
                revoked = revocations.grant_revoke(grant=grant, actor=actor_of(request))
                outcomes.append(revoked.outcome)
        there = outcomes.count(Outcome.REVOKED_AT_PROVIDER)
        told = ngettext(
            "%(count)d grant revoked, %(there)d of them at the provider too.",
            "%(count)d grants revoked, %(there)d of them at the provider too.",
            len(outcomes),
        )
        level = messages.SUCCESS if there == len(outcomes) else messages.WARNING
        self.message_user(request, told % {"count": len(outcomes), "there": there}, level)

    def _ask(self, request: HttpRequest, grants: list[Grant]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("End these connections?"),
            "opts": self.opts,
            "grants": grants,
            "listed": grants[:_LISTED],
            "more": max(len(grants) - _LISTED, 0),
            "meant": " ".join(str(grant.pk) for grant in grants),
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/vault/grant/revoke_selected.html", context)


def _meant(request: HttpRequest) -> list[UUID] | None:
    """Return the grants that the question was about; None: it was not asked yet."""
    text = request.POST.get("meant")
    if text is None:
        return None
    try:
        return [UUID(word) for word in text.split()]
    except ValueError:
        return []


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
